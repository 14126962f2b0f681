"""Datasets: gates, duplicates, splits, baseline, selection of frames to label, convergence of active learning.

Imports no workflow engine and no database.
"""
