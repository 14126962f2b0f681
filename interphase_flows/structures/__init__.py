"""Crystals, interfaces, amorphous cells and dimers, and the content keys of structures.

Imports no workflow engine and no database.
"""
