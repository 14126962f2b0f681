"""Identification of phases: phase labels of atoms, crystalline domains, percolation, order, diffraction."""
