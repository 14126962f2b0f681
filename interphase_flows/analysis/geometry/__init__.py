"""Frames and their geometry: periodic cells, neighbours, radial distributions, bond order, drift."""
