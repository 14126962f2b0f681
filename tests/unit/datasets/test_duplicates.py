"""One structure written down in many ways."""

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


def turned(atoms: Atoms, seed: int, mirror: bool = False) -> Atoms:
    """The same structure: atoms in another order and place, other lattice vectors, another orientation."""
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
def test_a_structure_is_itself_however_it_is_written(atoms, mirror):
    """Crystals, a molecule and an atom in a box, a glass; mirror images have the same energy."""
    other = turned(atoms, 5, mirror)
    assert is_duplicate(atoms, other, TOLERANCE_ANGSTROM)
    assert find_duplicates([atoms, other], TOLERANCE_ANGSTROM) == {1: 0}
    np.testing.assert_allclose(fingerprint(other), fingerprint(atoms), rtol=0, atol=1e-9)


def one_element_for_another(atoms: Atoms) -> Atoms:
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
        one_element_for_another(LI2S),
        LI2S * (2, 1, 1),
        bulk("SLi2", "fluorite", a=5.71),
        bulk("SLi2", "fluorite", a=5.72, cubic=True),
    ],
    ids=["displaced", "stretched", "pressed", "exchanged", "supercell", "primitive", "expanded"],
)
def test_what_is_another_calculation_is_no_duplicate(other):
    """A phonon's displacement, a strain of a tenth of a per cent, atoms exchanged, another number of k-points."""
    assert not is_duplicate(LI2S, turned(other, 6), TOLERANCE_ANGSTROM)
    assert find_duplicates([LI2S, turned(other, 6)], TOLERANCE_ANGSTROM) == {}


def test_noise_below_the_tolerance_does_not_hide_a_duplicate():
    """Positions and cell written with three decimals."""
    atoms = glass(2)
    other = turned(atoms, 7)
    other.positions = np.round(other.positions, 3)
    assert find_duplicates([atoms, other], TOLERANCE_ANGSTROM) == {1: 0}


def test_the_first_stays_and_each_is_compared_with_those_that_stay():
    """In the order given; the others name the first of their kind."""
    a, b = glass(3), glass(4)
    frames = [b, a, turned(a, 1), turned(b, 2), turned(a, 3), glass(5)]
    assert find_duplicates(frames, TOLERANCE_ANGSTROM) == {2: 1, 3: 0, 4: 1}
    assert find_duplicates([], TOLERANCE_ANGSTROM) == {}


def test_what_the_gates_refuse_has_no_twin():
    """Places that are no numbers, a flat cell, no atoms: the gates speak of them, not this."""
    nowhere, flat = LI.copy(), LI.copy()
    nowhere.positions[0, 0] = np.nan
    flat.cell[2] = flat.cell[1]
    frames = [nowhere, nowhere.copy(), flat, flat.copy(), Atoms(), Atoms()]
    assert find_duplicates(frames, TOLERANCE_ANGSTROM) == {}


def test_frames_of_one_trajectory_are_told_apart():
    """Two hundred frames of one composition and cell, rattled by 0.03 Å, three of them turned."""
    atoms = glass(6)
    frames = []
    for seed in range(200):
        frame = atoms.copy()
        frame.rattle(0.03, seed=seed)
        frames.append(frame)
    frames += [turned(frames[index], index) for index in (11, 57, 199)]
    assert find_duplicates(frames, TOLERANCE_ANGSTROM) == {200: 11, 201: 57, 202: 199}
