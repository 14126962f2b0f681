"""Restartable molecular dynamics under a committee: dynamics, checkpoints, trajectories, watch, segments."""
