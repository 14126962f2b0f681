"""Services of a running process: walltime, fencing, progress, atomic writes.

Imports only `settings` and `exceptions`; every other subpackage may import it (`analysis` only `progress`).
"""
