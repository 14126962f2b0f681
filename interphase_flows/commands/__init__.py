"""What the commands of `interphase` do besides running campaigns: status, queries, export, convergence study.

Imported by `cli` only; may import every other room.
"""
