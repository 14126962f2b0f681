"""Restartable molecular dynamics with a committee: dynamics, segments, checkpoints, trajectories, uncertainty monitor.

Imports no workflow engine and no database; works with any ASE calculator.
"""
