"""Duplicates up to isometry, order of atoms and choice of the cell."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.datasets.duplicates import find_duplicates, fingerprint, is_duplicate

TOLERANCE_ANGSTROM = 0.002
LI = bulk("Li", "bcc", a=3.44, cubic=True)
LI2S = bulk("SLi2", "fluorite", a=5.71, cubic=True)
DIMER = Atoms("LiS", [[0, 0, 0], [2.4, 0, 0]], cell=[12, 12, 12], pbc=True)
ALONE = Atoms("Li", cell=[12, 12, 12], pbc=True)


def glass(seed: int, n: int = 30) -> Atoms:
    generator = np.random.default_rng(seed)
    cell = 9.0 * np.eye(3) + generator.uniform(-0.5, 0.5, (3, 3))
    symbols = ["Li"] * (n // 2) + ["P"] * (n // 6) + ["S"] * (n - n // 2 - n // 6)
    return Atoms(symbols, scaled_positions=generator.random((n, 3)), cell=cell, pbc=True)


def transformed(atoms: Atoms, seed: int, mirror: bool = False) -> Atoms:
    """Return the same structure with permuted, translated and rotated atoms and other lattice vectors."""
    generator = np.random.default_rng(seed)
    other = atoms[generator.permutation(len(atoms))]
    other.set_cell(np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ other.cell.array)
    other.translate(generator.uniform(-30, 30, 3))
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation)) * (-1 if mirror else 1)
    other.set_cell(other.cell.array @ rotation)
    other.positions = other.positions @ rotation
    return other


@pytest.mark.parametrize("atoms", [LI, LI * (2, 2, 2), LI2S, DIMER, ALONE, glass(1)], ids=str)
@pytest.mark.parametrize("mirror", [False, True])
def test_transformed_structure_is_a_duplicate(atoms, mirror):
    """Crystals, a molecule and an atom in a box, and a glass, also as mirror images."""
    other = transformed(atoms, 5, mirror)
    assert is_duplicate(atoms, other, TOLERANCE_ANGSTROM)
    assert find_duplicates([atoms, other], TOLERANCE_ANGSTROM) == {1: 0}
    np.testing.assert_allclose(fingerprint(other), fingerprint(atoms), rtol=0, atol=1e-9)


def with_exchanged_elements(atoms: Atoms) -> Atoms:
    other = atoms.copy()
    here, there = np.flatnonzero(other.numbers == 3)[0], np.flatnonzero(other.numbers == 16)[0]
    other.numbers[[here, there]] = other.numbers[[there, here]]
    return other


def displaced(atoms: Atoms, angstrom: float) -> Atoms:
    other = atoms.copy()
    other.positions[3, 1] += angstrom
    return other


def strained(atoms: Atoms, strain: float) -> Atoms:
    other = atoms.copy()
    other.set_cell(other.cell.array @ np.diag([1 + strain, 1, 1]), scale_atoms=True)
    return other


@pytest.mark.parametrize(
    "other",
    [
        displaced(LI2S, 0.01),
        strained(LI2S, 0.001),
        strained(LI2S, -0.001),
        with_exchanged_elements(LI2S),
        LI2S * (2, 1, 1),
        bulk("SLi2", "fluorite", a=5.71),
        bulk("SLi2", "fluorite", a=5.72, cubic=True),
    ],
    ids=["displaced", "stretched", "compressed", "exchanged", "supercell", "primitive", "expanded"],
)
def test_different_structure_is_no_duplicate(other):
    """A small displacement, a strain of 0.1 %, exchanged atoms, a supercell."""
    assert not is_duplicate(LI2S, transformed(other, 6), TOLERANCE_ANGSTROM)
    assert find_duplicates([LI2S, transformed(other, 6)], TOLERANCE_ANGSTROM) == {}


def test_duplicate_with_rounded_coordinates_is_found():
    """Positions and cell written with three decimals."""
    atoms = glass(2)
    other = transformed(atoms, 7)
    other.positions = np.round(other.positions, 3)
    assert find_duplicates([atoms, other], TOLERANCE_ANGSTROM) == {1: 0}


def test_duplicates_refer_to_the_first_equal_frame():
    a, b = glass(3), glass(4)
    frames = [b, a, transformed(a, 1), transformed(b, 2), transformed(a, 3), glass(5)]
    assert find_duplicates(frames, TOLERANCE_ANGSTROM) == {2: 1, 3: 0, 4: 1}
    assert find_duplicates([], TOLERANCE_ANGSTROM) == {}


def test_invalid_structures_have_no_duplicates():
    """Coordinates that are not finite, a flat cell, no atoms: the gates reject these."""
    not_finite, flat = LI.copy(), LI.copy()
    not_finite.positions[0, 0] = np.nan
    flat.cell[2] = flat.cell[1]
    frames = [not_finite, not_finite.copy(), flat, flat.copy(), Atoms(), Atoms()]
    assert find_duplicates(frames, TOLERANCE_ANGSTROM) == {}


def test_frames_of_one_trajectory_are_distinguished():
    """Two hundred frames of one composition and cell, rattled by 0.03 Å, and transformed copies of three."""
    atoms = glass(6)
    frames = []
    for seed in range(200):
        frame = atoms.copy()
        frame.rattle(0.03, seed=seed)
        frames.append(frame)
    frames += [transformed(frames[index], index) for index in (11, 57, 199)]
    assert find_duplicates(frames, TOLERANCE_ANGSTROM) == {200: 11, 201: 57, 202: 199}
