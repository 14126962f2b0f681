"""Interfaces: lattice matching, oriented slabs, assembly of the cell."""
