"""Boundaries of the interphase, and fluxes of atoms through them."""
