"""INCAR tags, potentials and atom order of a label: VASP's input without pymatgen, atomate2 and licensed files.

Every tag that can change a number is set here. atomate2 writes the files (`input_set`), but its own input set is
replaced entirely: its defaults (PBEsol, 680 eV, tetrahedron smearing, two spin channels, Hubbard U for oxides and
fluorides) would differ between a metal, a salt and an oxide of one campaign, and change with its version.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.reference.spec import VaspSpec

POTCAR_HINT = (
    "Hint: set PMG_VASP_PSP_DIR to the folder of your licensed potentials, in the environment or in "
    "~/.config/.pmgrc.yaml (`pmg config -p <VASP's potpaw folders> <that folder>` arranges them; see docs/vasp.md)"
)

Tag = str | int | float | bool
ParallelTag = Literal["KPAR", "NCORE"]

FUNCTIONAL_TAGS: dict[str, dict[str, Tag]] = {
    # explicit even for PBE, which is the default of the potentials
    "PBE": {"GGA": "PE"},
    "PBEsol": {"GGA": "PS"},
    # LMIXTAU: mix the kinetic-energy density like the density, or the cycle of a meta-GGA oscillates
    "r2SCAN": {"METAGGA": "R2SCAN", "LMIXTAU": True},
}

INITIAL_MOMENT_BOHR = 0.6
"""Initial magnetic moment of every atom in a spin-polarised run (the Materials Project's value)."""


@dataclass(frozen=True)
class Potential:
    """POTCAR of one element: name of its folder, TITEL in its first line, number of valence electrons."""

    symbol: str
    title: str
    valence_electrons: float


@functools.cache
def potentials(release: str) -> dict[str, Potential]:
    """Return the potential of every element in a release, ``PBE_54`` or ``PBE_64``."""
    text = files("interphase_flows.reference.vasp").joinpath("pseudopotentials.json").read_text(encoding="utf-8")
    return {element: Potential(**entry) for element, entry in json.loads(text)[release].items()}


def incar(spec: VaspSpec) -> dict[str, Tag]:
    """Return the tags of a level of theory, the same for every structure."""
    return {
        "ENCUT": spec.cutoff_eV,  # one basis for all cells, so that their energies can be compared
        "PREC": "Accurate",  # no wrap-around errors: forces and stress without egg-box noise
        "LREAL": "Auto" if spec.real_space_projection else False,  # Auto is faster beyond 30 atoms, not exact
        "ISMEAR": 0,  # Gaussian: right for a salt, good for a metal; tetrahedra give wrong forces in a metal
        "SIGMA": spec.smearing_eV,
        "ISPIN": 2 if spec.spin_polarized else 1,
        "LASPH": True,  # non-spherical terms inside the spheres: required by a meta-GGA, better for all
        "EDIFF": spec.scf_energy_tolerance_eV,
        "NELM": spec.max_scf_steps,
        "NELMIN": 5,  # forces converge after the energy: do not stop at an accidental crossing
        # blocked Davidson is robust for slabs and metals; a meta-GGA needs conjugate gradients
        "ALGO": "All" if spec.functional == "r2SCAN" else "Normal",
        "ISYM": 0,  # MD frames have no symmetry; in a crystal, forces that vanish are a test instead of imposed
        "NSW": 0,
        "IBRION": -1,
        "ISIF": 2,  # forces and the full stress tensor
        "LWAVE": True,  # restart files of a stopped run; the work folder is deleted once the label is recorded
        "LCHARG": True,
        "LAECHG": False,
        "LVTOT": False,
        "LELF": False,
        "LORBIT": 0,
        **FUNCTIONAL_TAGS[spec.functional],
    }


def species_order(atoms: Atoms) -> NDArray[np.intp]:
    """Return the order of the atoms in POSCAR: elements by first appearance, atoms of one element in their order.

    POSCAR contains ``positions[order]``; row i of VASP's output belongs to atom ``order[i]``.
    """
    _, first, element = np.unique(atoms.numbers, return_index=True, return_inverse=True)
    return np.argsort(first[element], kind="stable")


def grouped(atoms: Atoms) -> Atoms:
    """Return the atoms of POSCAR: grouped by element, in a right-handed cell.

    VASP does not accept a left-handed cell; inverting its three vectors gives the same lattice.
    """
    ordered = atoms[species_order(atoms)]
    cell = atoms.cell.array
    return Atoms(ordered.numbers, ordered.positions, cell=cell if np.linalg.det(cell) > 0 else -cell, pbc=True)


def parallel_tags(parallel: Mapping[ParallelTag, int], grid: tuple[int, int, int]) -> dict[str, int]:
    """Return KPAR and NCORE, with KPAR 1 if there are fewer k-points than groups.

    Time reversal leaves half of a grid.
    """
    n_points = int(np.prod(grid)) // 2 + 1
    return {tag: 1 if tag == "KPAR" and n > n_points else n for tag, n in parallel.items()}
