"""Statistics of correlated series: estimates with intervals, autocorrelation, block bootstrap, replicas."""
