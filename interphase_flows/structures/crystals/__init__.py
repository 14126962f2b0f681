"""Crystals: library of phases, symmetry, reference cells, distortions, vacancies."""
