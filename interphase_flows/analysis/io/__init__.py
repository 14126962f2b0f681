"""Readers of trajectory files: unwrapped positions in Å and times in fs from any supported format.

Use `open_trajectory` of `open.py`. A reader per file; it yields the raw frames that `trajectory_file.py` checks, repairs
and unwraps.
"""
