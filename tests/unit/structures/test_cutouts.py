"""Cells cut out of large structures: surroundings of the centre, intact anions, no overlaps."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.anions import anion_formulas
from interphase_flows.structures.checks import pair_distances_angstrom
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.cutouts import (
    OVERLAP_FRACTION,
    SAME_ANGSTROM,
    cut_out,
    is_core,
    relax_shell,
    uncertain_atoms,
)

CORE = 4.0


def electrolyte(repeats: tuple[int, int, int] = (2, 3, 2)) -> Atoms:
    """Return a rattled Li7P3S11 supercell, which is triclinic."""
    atoms = load_phase("Li7P3S11").repeat(repeats)
    atoms.rattle(0.05, seed=1)
    return atoms


ELECTROLYTE = electrolyte()


def surroundings(atoms: Atoms, index: int, radius: float) -> list[tuple[str, float]]:
    """Return elements and distances of the neighbours of an atom, which must be closer than half the cell."""
    distance = atoms.get_distances(index, range(len(atoms)), mic=True)
    near = np.flatnonzero(distance <= radius)
    return sorted((atoms.symbols[i], round(float(distance[i]), 6)) for i in near)


@given(centre=st.integers(0, len(ELECTROLYTE) - 1), edge=st.floats(9.0, 15.0))
@settings(max_examples=60, deadline=None)
def test_core_is_that_of_the_parent_and_nothing_overlaps(centre, edge):
    cell = cut_out(ELECTROLYTE, centre, edge, CORE)
    assert len(cell) < len(ELECTROLYTE)
    assert cell.symbols[0] == ELECTROLYTE.symbols[centre]
    assert surroundings(cell, 0, CORE) == surroundings(ELECTROLYTE, centre, CORE)
    limits = pair_distances_angstrom({"Li", "P", "S"}, OVERLAP_FRACTION)
    distances = cell.get_all_distances(mic=True)
    for i, j in zip(*np.triu_indices(len(cell), 1), strict=True):
        pair = tuple(sorted((cell.symbols[i], cell.symbols[j])))
        assert distances[i, j] >= limits[pair] - SAME_ANGSTROM, (i, j, pair)


def test_anions_are_intact():
    """All anions of the crystal are PS4 and P2S7; those of the cell are the same, and none is a fragment."""
    for centre in range(0, len(ELECTROLYTE), 37):
        cell = cut_out(ELECTROLYTE, centre, 16.0, CORE)
        assert set(anion_formulas(cell)) <= {"PS4", "P2S7"}


def test_anion_whose_far_end_is_nearer_through_the_boundary_stays_in_the_core():
    """The first phosphorus atom of the chain is 9.7 Å from the centre, and 5.8 Å through the boundary."""
    chain = Atoms(
        "LiPSPS", [(0, 0, 0), (9.7, 0, 0), (7.65, 0, 0), (5.55, 0, 0), (3.5, 0, 0)], cell=[15.5] * 3, pbc=True
    )
    cell = cut_out(chain, 0, 12.0, CORE)
    assert surroundings(cell, 0, CORE) == surroundings(chain, 0, CORE) == [("Li", 0.0), ("S", 3.5)]


def test_short_periods_are_kept():
    atoms = electrolyte((1, 1, 4))
    cell = cut_out(atoms, 5, 12.0, CORE)
    assert cell.cell.lengths()[:2] == pytest.approx(atoms.cell.lengths()[:2])
    assert cell.cell.lengths()[2] < 0.6 * atoms.cell.lengths()[2]
    assert cell.cell.angles() == pytest.approx(atoms.cell.angles())
    complete = cut_out(electrolyte((1, 1, 1)), 5, 12.0, CORE)
    assert sorted(complete.symbols) == sorted(load_phase("Li7P3S11").symbols)


def test_shell_relaxes_and_core_stays():
    atoms = Atoms(
        "Cu4", cell=[3.6] * 3, pbc=True, scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    )
    atoms = atoms.repeat(5)
    atoms.rattle(0.15, seed=2)
    cell = cut_out(atoms, 100, 9.7, CORE)
    relaxed = relax_shell(cell, EMT(), CORE, 20)
    core = is_core(cell, CORE)
    assert 5 < core.sum() < len(cell)
    assert (relaxed.positions[core] == cell.positions[core]).all()
    assert (relaxed.cell.array == cell.cell.array).all()
    largest = [np.linalg.norm(_forces(each)[~core], axis=1).max() for each in (cell, relaxed)]
    assert largest[1] < 0.5 * largest[0]


def test_core_must_fit():
    with pytest.raises(StructureError, match=r"core of 7 Å .* does not fit into a cell of 12 Å"):
        cut_out(ELECTROLYTE, 0, 12.0, 7.0)


def _forces(atoms: Atoms) -> np.ndarray:
    atoms = atoms.copy()
    atoms.calc = EMT()
    return atoms.get_forces()


def test_uncertain_atoms_are_apart():
    atoms = electrolyte((1, 1, 1))
    std = np.linspace(0, 1, len(atoms))
    chosen = uncertain_atoms(atoms, std, level=0.3, spacing=3.0, n=10)
    assert chosen[0] == len(atoms) - 1
    assert (np.diff(std[chosen]) < 0).all()
    assert std[chosen].min() >= 0.3
    distances = atoms.get_all_distances(mic=True)[np.ix_(chosen, chosen)]
    assert distances[np.triu_indices(len(chosen), 1)].min() >= 3.0
    assert uncertain_atoms(atoms, std, level=2.0, spacing=3.0, n=10) == []


@pytest.mark.parametrize(("centre", "pbc"), [(-1, True), (10**6, True), (0, (True, True, False))])
def test_what_has_no_surroundings_is_rejected(centre, pbc):
    atoms = electrolyte((1, 1, 1))
    atoms.pbc = pbc
    with pytest.raises(StructureError, match=r"cannot cut a cell around atom"):
        cut_out(atoms, centre, 12.0, CORE)
