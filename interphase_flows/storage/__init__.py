"""Stored results of a campaign: ledger of documents, artifacts, leases, locks, queries, and their backends.

Imported by `jobs` and the layers above it; scientific code takes paths and arrays instead.
"""
