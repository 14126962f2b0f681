"""Makers of initial structures: generators, the sets that they store, and the join of all sets."""
