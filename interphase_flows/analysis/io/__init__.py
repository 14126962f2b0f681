"""Readers of trajectory files: unwrapped positions in Å and times in fs from any supported format.

Use `open_trajectory` of `open.py`. One reader per file returns raw frames; `trajectory_file.py` checks and unwraps them.
"""
