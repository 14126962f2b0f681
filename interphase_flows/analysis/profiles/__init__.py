"""Profiles along the interface normal: composition, density, coordination."""
