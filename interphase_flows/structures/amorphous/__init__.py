"""Amorphous cells: compositions, random packings, removal of overlaps."""
