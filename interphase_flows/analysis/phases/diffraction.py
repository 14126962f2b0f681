"""Powder diffraction: lines of crystals, patterns of clusters and trajectories, and Scherrer's crystallite size.

Patterns are those of the Debye scattering equation, I(q) = sum_ij f_i f_j sin(q r_ij) / (q r_ij) (Debye, Ann. Phys. 351,
809 (1915)), because domains of a few nm are too small for a lattice sum. Scattering factors and lines are pymatgen's.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.neighbours import face_distances, fractional, repeated
from interphase_flows.analysis.phases.results import DiffractionResult
from interphase_flows.exceptions import AnalysisError

CU_K_ALPHA_ANGSTROM = 1.54184
"""As in pymatgen."""
SPHERE = 1.107
"""Scherrer's K for the diameter of a sphere and the full width at half maximum; the usual 0.9 gives 19 % less."""
BIN_ANGSTROM = 0.002
CHUNK = 500
SPHERE_ANGSTROM = 30.0
FIRST_DEG, LAST_DEG, STEP_DEG = 15.0, 60.0, 0.3
N_FRAMES = 3
"""Number of last frames whose patterns are averaged."""
WEAKEST = 5.0
"""Intensity below which lines are left out; the strongest line is 100."""
AT_DEG = 30.0
"""Angle at which the broadening by the sphere is reported."""


class Line(NamedTuple):
    """A reflection of a powder pattern."""

    two_theta_deg: float
    intensity: float
    """The strongest line is 100."""


def powder_lines(atoms: Atoms, *, two_theta_max_deg: float = 90.0) -> list[Line]:
    """Return the Cu K-alpha lines of a crystal by angle (pymatgen)."""
    from pymatgen.analysis.diffraction.xrd import XRDCalculator  # slow import: loads matplotlib
    from pymatgen.io.ase import AseAtomsAdaptor

    calculator = XRDCalculator("CuKa")
    pattern = calculator.get_pattern(AseAtomsAdaptor.get_structure(atoms), two_theta_range=(0, two_theta_max_deg))
    return [Line(float(x), float(y)) for x, y in zip(pattern.x, pattern.y, strict=True)]


def debye_pattern(
    positions: NDArray[np.floating],
    numbers: NDArray[np.integer],
    two_theta_deg: ArrayLike,
    *,
    wavelength_angstrom: float = CU_K_ALPHA_ANGSTROM,
) -> FloatArray:
    """Return the powder pattern of a cluster, in electron units per atom, (n_angles,).

    Parameters
    ----------
    positions
        Positions in Å of the atoms of the cluster, *not* periodic: unwrap a domain first, (n_atoms, 3).
    numbers
        Atomic numbers, (n_atoms,).
    two_theta_deg
        Angles in degrees, (n_angles,).
    wavelength_angstrom
        Wavelength in Å.

    Raises
    ------
    AnalysisError
        There is no atom, or an angle is not between 0 and 180 degrees.
    """
    angles = np.asarray(two_theta_deg, dtype=float)
    if len(positions) == 0 or angles.size == 0 or angles.min() <= 0 or angles.max() >= 180:
        raise AnalysisError(
            f"{len(positions)} atoms and {angles.size} angles: give atoms, and angles from 0 to 180 degrees"
        )
    s = np.sin(np.radians(angles / 2)) / wavelength_angstrom
    q = 4 * np.pi * s
    places, kinds = np.asarray(positions, dtype=float), np.asarray(numbers)
    total = np.zeros_like(q)
    elements = np.unique(kinds)
    for a in elements:
        total += (kinds == a).sum() * _factor(int(a), s) ** 2
        for b in elements[elements >= a]:
            counts = _distances(places[kinds == a], places[kinds == b])
            r = (np.flatnonzero(counts) + 0.5) * BIN_ANGSTROM
            waves = np.sinc(np.outer(q, r) / np.pi) @ counts[counts > 0]
            # ordered pairs: those of two elements count twice
            total += (1 if a == b else 2) * _factor(int(a), s) * _factor(int(b), s) * waves
    return total / len(places)


def _factor(number: int, s: FloatArray) -> FloatArray:
    """Return scattering factors as in pymatgen: f = Z - 41.78214 s² sum_i a_i exp(-b_i s²)."""
    from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS  # slow import: loads matplotlib

    terms = np.array(ATOMIC_SCATTERING_PARAMS[chemical_symbols[number]])
    s2 = s[:, None] ** 2
    return np.asarray(number - 41.78214 * s**2 * np.sum(terms[:, 0] * np.exp(-terms[:, 1] * s2), axis=1))


def _distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the histogram of the distances of ordered pairs of different atoms."""
    both = np.concatenate([first, second])
    n_bins = int(np.linalg.norm(np.ptp(both, axis=0)) / BIN_ANGSTROM) + 2
    counts = np.zeros(n_bins)
    for start in range(0, len(first), CHUNK):
        r = cdist(first[start : start + CHUNK], second).ravel()
        counts += np.bincount((r[r > 1e-6] / BIN_ANGSTROM).astype(np.int64), minlength=n_bins)
    return counts


def full_width_deg(two_theta_deg: ArrayLike, intensity: ArrayLike) -> tuple[float, float]:
    """Return the position and full width at half maximum of the highest line in a range, both in degrees.

    The background is the straight line between the means of the outer twentieths.

    Raises
    ------
    AnalysisError
        The line does not fall to half its height within the range.
    """
    x, y = np.asarray(two_theta_deg, dtype=float), np.asarray(intensity, dtype=float)
    edge = max(1, len(x) // 20)
    left, right = (x[:edge].mean(), y[:edge].mean()), (x[-edge:].mean(), y[-edge:].mean())
    above = y - left[1] - (right[1] - left[1]) * (x - left[0]) / (right[0] - left[0])
    top = int(np.argmax(above))
    low, high = np.flatnonzero(above[:top] <= above[top] / 2), np.flatnonzero(above[top:] <= above[top] / 2)
    if not len(low) or not len(high):
        raise AnalysisError(
            f"the line at {x[top]:.2f} degrees does not fall to half its height between {x[0]:.2f} and {x[-1]:.2f}. "
            "Hint: widen the range, or choose an isolated line"
        )
    half = above[top] / 2
    i, j = low[-1], top + high[0]
    begin = np.interp(half, above[i : i + 2], x[i : i + 2])
    end = np.interp(-half, -above[j - 1 : j + 1], x[j - 1 : j + 1])
    return float(x[top]), float(end - begin)


def scherrer_diameter_angstrom(
    two_theta_deg: float,
    width_deg: float,
    *,
    shape_factor: float = SPHERE,
    wavelength_angstrom: float = CU_K_ALPHA_ANGSTROM,
) -> float:
    """Return D = K wavelength / (width cos theta) in Å (Langford and Wilson, J. Appl. Cryst. 11, 102 (1978)).

    Raises
    ------
    AnalysisError
        The width is not positive.
    """
    if not width_deg > 0:
        raise AnalysisError(f"a width of {width_deg} degrees: must be positive")
    return float(shape_factor * wavelength_angstrom / (np.radians(width_deg) * np.cos(np.radians(two_theta_deg / 2))))


class EndPattern:
    """Average the powder pattern of the last frames of a trajectory.

    Spheres of 30 Å are cut out of the cell at evenly spaced heights; a smaller cell is repeated, and its periodicity then
    adds to the pattern. Lines are at least as wide as those of a perfect crystal of the size of the sphere.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = numbers
        self._angles = np.arange(FIRST_DEG, LAST_DEG + STEP_DEG / 2, STEP_DEG)
        self._total = np.zeros_like(self._angles)
        self._n_atoms = 0
        self._smallest = np.inf
        self._n_frames = self._n_spheres = 0

    def add(self, positions: np.ndarray, cell: np.ndarray) -> None:
        """Add a frame."""
        self._smallest = min(self._smallest, float(face_distances(cell).min()))
        everywhere, box = repeated(positions, cell, SPHERE_ANGSTROM)
        fractions = fractional(everywhere, box)
        kinds = np.tile(self._numbers, len(everywhere) // len(self._numbers))
        # spheres fill the height of the cell without its repetitions
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
        """Return the lines of the phases, and the limits of the pattern."""
        width = float(np.degrees(SPHERE * CU_K_ALPHA_ANGSTROM / (SPHERE_ANGSTROM * np.cos(np.radians(AT_DEG / 2)))))
        limit = (
            f"lines of a sphere of {SPHERE_ANGSTROM:g} Å are at least {width:.1f} degrees wide, so larger crystals "
            "cannot be distinguished"
        )
        if self._smallest < SPHERE_ANGSTROM:
            limit += (
                f"; the cell repeats after {self._smallest:.0f} Å, and its periodicity adds peaks that do not prove a "
                "crystal"
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
