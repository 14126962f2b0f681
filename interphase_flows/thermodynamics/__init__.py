"""Thermodynamics: convex hull, reactions with the electrode, electrochemical window, predicted phases.

Imports `analysis` for statistics and elements; no workflow engine and no database.
"""
