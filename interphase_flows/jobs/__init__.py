"""Makers of one job each: load inputs, call the science below, store the result (`caching.py`).

Imported by `flows`, `runners` and `commands`.
"""
