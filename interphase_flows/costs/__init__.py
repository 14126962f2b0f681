"""Estimated cost of labels and campaigns, remaining labels, and measured throughput.

May import `campaign`, `storage`, `reference` and the scientific subpackages. Reads the ledger and writes nothing.
"""
