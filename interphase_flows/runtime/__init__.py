"""The running process: walltime, fencing, progress, atomic writes.

Imports only `settings` and `exceptions`; every other room may import it (`analysis` only `progress`).
"""
