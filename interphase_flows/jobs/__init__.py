"""Makers of one job each: load inputs, call scientific code, store the result (`caching.py`).

Imported by `flows`, `runners` and `commands`.
"""
