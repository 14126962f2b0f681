"""Direct GPAW calculations, crystals that GPAW labels in seconds, and the skip of tests without GPAW."""

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from numpy.typing import NDArray

WITHOUT_GPAW = (
    "GPAW is not installed: apt-get install libxc-dev libopenblas-dev libopenmpi-dev gcc, then pip install "
    "'interphase-flows[gpaw]'"
)


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("gpaw.cgpaw") is not None and importlib.util.find_spec("_gpaw") is not None
    except (ImportError, ValueError):
        return False


needs_gpaw = pytest.mark.skipif(not _is_installed(), reason=WITHOUT_GPAW)
"""Skip a test without GPAW and its compiled extension, with the reason."""


@dataclass(frozen=True)
class BareNumbers:
    """Free energy in eV, forces in eV/Å, (n_atoms, 3), stress in eV/Å³, Voigt."""

    free_energy_eV: float
    forces_eV_per_angstrom: NDArray[np.float64]
    stress_eV_per_angstrom3: NDArray[np.float64]


def bare_gpaw(atoms: Atoms, cutoff_eV: float, k_points: Sequence[int] | float) -> BareNumbers:
    """Compute a label by a direct script; k-points by their number along each axis, or by density (with Gamma)."""
    from gpaw import GPAW, PW

    of_density = isinstance(k_points, int | float)
    mesh = {"density" if of_density else "size": k_points, "gamma": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a grid that is less symmetric than the crystal, which GPAW corrects
        bare = atoms.copy()
        bare.calc = GPAW(
            mode=PW(cutoff_eV),
            xc="PBE",
            kpts=mesh,
            occupations={"name": "fermi-dirac", "width": 0.1},
            convergence={"energy": 1e-5, "density": 1e-4},
            txt=None,
        )
        return BareNumbers(
            float(bare.get_potential_energy(force_consistent=True)), bare.get_forces(), bare.get_stress()
        )


def lithium() -> Atoms:
    """Body-centred cubic, two atoms, a = 3.44 Å."""
    return bulk("Li", "bcc", a=3.44, cubic=True)


def lithium_sulfide() -> Atoms:
    """Antifluorite, three atoms, a = 5.71 Å."""
    sites = [(0, 0, 0), (0.25, 0.25, 0.25)]
    return crystal(["S", "Li"], sites, spacegroup=225, cellpar=[5.71] * 3 + [90] * 3, primitive_cell=True)


def lithium_phosphide() -> Atoms:
    """Hexagonal Li3P, eight atoms, a = 4.25 Å, c = 7.57 Å; half of lithium at the height where its force vanishes."""
    sites = [(1 / 3, 2 / 3, 1 / 4), (0, 0, 1 / 4), (1 / 3, 2 / 3, 0.583864)]
    return crystal(["P", "Li", "Li"], sites, spacegroup=194, cellpar=[4.25, 4.25, 7.57, 90, 90, 120])


def strained(atoms: Atoms, strain: NDArray[np.float64]) -> Atoms:
    """Return the crystal under a strain, (3, 3)."""
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result
