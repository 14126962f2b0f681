"""Cost of labels and campaigns: fitted model, history, plan, budget, throughput.

Imported by `flows`, `jobs`, `report`, `commands` and `cli`; imports no jobflow.
"""
