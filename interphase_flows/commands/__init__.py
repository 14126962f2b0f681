"""Commands of `interphase` other than running campaigns: status, queries, export, convergence study.

Imported by `cli` only; may import every other subpackage.
"""
