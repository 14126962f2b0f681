"""Stored results of a campaign: ledger of documents, artifacts, leases, locks, queries, and their backends.

Imported by `jobs` and the rooms above it; the science takes paths and arrays instead.
"""
