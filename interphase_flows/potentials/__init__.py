"""NequIP potentials: configuration, training, committees, errors and calibration.

Imports no workflow engine and no database.
"""
