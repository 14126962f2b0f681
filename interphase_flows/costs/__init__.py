"""Estimated cost of labels and campaigns, remaining labels, and measured throughput.

May import campaign, storage, reference and the science rooms; results come from the ledger, nothing is written.
"""
