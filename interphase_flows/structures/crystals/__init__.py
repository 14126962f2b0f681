"""Crystals: library of phases, symmetry, primitive cells, distortions, vacancies."""
