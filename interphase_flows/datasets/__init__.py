"""Datasets: gates, duplicates, splits, baseline, selection of frames to label.

Imports no workflow engine and no database.
"""
