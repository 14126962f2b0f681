"""Restartable molecular dynamics under a committee: dynamics, checkpoints, trajectories, the watch, segments."""
