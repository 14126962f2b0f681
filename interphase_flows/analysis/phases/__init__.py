"""Phases atom by atom: labels against thermal references, domains, percolation, order, diffraction."""
