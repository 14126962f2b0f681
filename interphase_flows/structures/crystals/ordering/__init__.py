"""Ordered structures of crystals with partial occupancies."""
