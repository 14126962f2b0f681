"""What a diffractometer would see of the end of a trajectory.

Spheres are cut out of the cell at evenly spaced heights; a cell that is smaller is repeated. They scatter by the Debye
equation, and lines are as wide as those of a perfect crystal of the sphere's size at least. Where the cell repeats within
the sphere, all order beyond the cell is the cell's own.
"""

import math
from collections.abc import Mapping

import numpy as np
from ase import Atoms

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.neighbours import face_distances, fractional, repeated
from interphase_flows.analysis.phases.diffraction import (
    CU_K_ALPHA_ANGSTROM,
    SPHERE,
    debye_pattern,
    powder_lines,
)
from interphase_flows.analysis.phases.results import DiffractionResult

SPHERE_ANGSTROM = 30.0
FIRST_DEG, LAST_DEG, STEP_DEG = 15.0, 60.0, 0.3
N_FRAMES = 3
WEAKEST = 5.0
"""Lines below this, the strongest being 100, are left out."""
AT_DEG = 30.0
"""Where the width of the sphere is told."""


class EndPattern:
    """Takes the last frames; gives the mean pattern."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = numbers
        self._angles = np.arange(FIRST_DEG, LAST_DEG + STEP_DEG / 2, STEP_DEG)
        self._total = np.zeros_like(self._angles)
        self._n_atoms = 0
        self._smallest = np.inf
        self._n_frames = self._n_spheres = 0

    def add(self, positions: np.ndarray, cell: np.ndarray) -> None:
        """Take a frame."""
        self._smallest = min(self._smallest, float(face_distances(cell).min()))
        everywhere, box = repeated(positions, cell, SPHERE_ANGSTROM)
        fractions = fractional(everywhere, box)
        kinds = np.tile(self._numbers, len(everywhere) // len(self._numbers))
        # as many as fill the height of the cell without its repetitions
        self._n_spheres = max(1, math.ceil(float(face_distances(cell)[2]) / SPHERE_ANGSTROM))
        for height in (np.arange(self._n_spheres) + 0.5) / self._n_spheres:
            away = fractions - [0.5, 0.5, height]
            away = (away - np.rint(away)) @ box
            inside = np.linalg.norm(away, axis=1) < SPHERE_ANGSTROM / 2
            if inside.any():
                self._total += inside.sum() * debye_pattern(away[inside], kinds[inside], self._angles)
                self._n_atoms += int(inside.sum())
        self._n_frames += 1

    def values(self, crystals: Mapping[str, Atoms]) -> DiffractionResult:
        """Return the lines of the phases, and what the pattern can tell."""
        width = float(
            np.degrees(SPHERE * CU_K_ALPHA_ANGSTROM / (SPHERE_ANGSTROM * np.cos(np.radians(AT_DEG / 2))))
        )
        limit = (
            f"a sphere of {SPHERE_ANGSTROM:g} Å makes every line {width:.1f} degrees wide or more, so no size above "
            "that is told"
        )
        if self._smallest < SPHERE_ANGSTROM:
            limit += (
                f"; the cell repeats after {self._smallest:.0f} Å, and order beyond that is the cell's own: peaks of a "
                "small cell are no proof of crystals"
            )
        return DiffractionResult(
            n_frames=self._n_frames,
            n_spheres=self._n_spheres,
            sphere_angstrom=SPHERE_ANGSTROM,
            limit=limit,
            lines={
                name: [
                    (round(line.two_theta_deg, 2), round(line.intensity, 1))
                    for line in powder_lines(crystal, two_theta_max_deg=LAST_DEG)
                    if line.intensity >= WEAKEST and line.two_theta_deg >= FIRST_DEG
                ]
                for name, crystal in crystals.items()
            },
        )

    def arrays(self) -> Mapping[str, FloatArray]:
        """Return angles in degrees and the pattern in electron units per atom."""
        return {
            "phases.two_theta_deg": self._angles,
            "phases.diffraction": self._total / max(1, self._n_atoms),
        }
