"""What a diffractometer would see of the end of a trajectory.

A sphere is cut out of the cell, which is repeated where it is smaller, and scatters by the Debye equation. Its lines are
as wide as those of a perfect crystal of the sphere's size at least. Where the cell repeats within the sphere, all order
beyond the cell is the cell's own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

from interphase_flows.analysis.frames import FloatArray
from interphase_flows.analysis.neighbours import face_distances, repeated
from interphase_flows.analysis.phases.diffraction import (
    CU_K_ALPHA_ANGSTROM,
    SPHERE,
    debye_pattern,
    powder_lines,
)

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
        self._patterns: list[np.ndarray] = []
        self._smallest = np.inf

    def add(self, positions: np.ndarray, cell: np.ndarray) -> None:
        """Take a frame."""
        self._smallest = min(self._smallest, float(face_distances(cell).min()))
        everywhere, box = repeated(positions, cell, SPHERE_ANGSTROM)
        middle = 0.5 * box.sum(axis=0)
        inside = np.linalg.norm(everywhere - middle, axis=1) < SPHERE_ANGSTROM / 2
        kinds = np.tile(self._numbers, len(everywhere) // len(self._numbers))
        self._patterns.append(debye_pattern(everywhere[inside], kinds[inside], self._angles))

    def values(self, crystals: Mapping[str, Atoms]) -> dict[str, Any]:
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
        return {
            "n_frames": len(self._patterns),
            "sphere_angstrom": SPHERE_ANGSTROM,
            "limit": limit,
            "lines": {
                name: [
                    [round(line.two_theta_deg, 2), round(line.intensity, 1)]
                    for line in powder_lines(crystal, two_theta_max_deg=LAST_DEG)
                    if line.intensity >= WEAKEST and line.two_theta_deg >= FIRST_DEG
                ]
                for name, crystal in crystals.items()
            },
        }

    def arrays(self) -> Mapping[str, FloatArray]:
        """Return angles in degrees and the pattern in electron units per atom."""
        return {
            "phases.two_theta_deg": self._angles,
            "phases.diffraction": np.mean(self._patterns, axis=0),
        }
