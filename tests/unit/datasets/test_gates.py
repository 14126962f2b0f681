"""What never trains."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.datasets.gates import Gates
from interphase_flows.references.labelling import RawLabel

GATES = Gates()
STRESS = np.zeros(6)


def pair(distance_angstrom: float) -> Atoms:
    return Atoms("LiS", positions=[[0, 0, 0], [distance_angstrom, 0, 0]], cell=[8, 8, 8], pbc=True)


def reason(rejection) -> str | None:
    return None if rejection is None else rejection.reason


@pytest.mark.parametrize("distance_angstrom", [0.0, 0.4, 1.2, 6.9, 7.99])
def test_atoms_nearer_than_any_bond_are_refused_also_through_the_cell_wall(distance_angstrom):
    """Li and S: 0.55 of 2.33 Å; the explanation names both atoms."""
    rejection = GATES.before(pair(distance_angstrom))
    assert reason(rejection) == "overlapping_atoms"
    assert "(Li)" in rejection.explanation
    assert "(S)" in rejection.explanation


def test_atoms_at_a_bond_pass():
    """2.4 Å between Li and S."""
    assert GATES.before(pair(2.4)) is None


def test_numbers_that_are_none_are_refused_before_anything_is_spent():
    """In positions, in the cell, or no atoms at all."""
    nowhere, flat = pair(2.4), pair(2.4)
    nowhere.positions[1, 2] = np.nan
    flat.cell[0, 0] = np.inf
    for atoms in (nowhere, flat, Atoms(cell=[4, 4, 4], pbc=True)):
        assert reason(GATES.before(atoms)) == "not_finite"


@pytest.mark.parametrize(
    ("energy", "forces", "stress", "expected"),
    [
        (np.nan, np.zeros((2, 3)), STRESS, "not_finite"),
        (np.inf, np.zeros((2, 3)), STRESS, "not_finite"),
        (-1.0, np.full((2, 3), np.nan), STRESS, "not_finite"),
        (-1.0, np.zeros((2, 3)), np.full(6, np.nan), "not_finite"),
        (None, np.zeros((2, 3)), STRESS, "missing_property"),
        (-1.0, None, STRESS, "missing_property"),
        (-1.0, np.zeros((2, 3)), None, "missing_property"),
        (-1.0, np.zeros((3, 3)), STRESS, "missing_property"),
        (-1.0, np.zeros(6), STRESS, "missing_property"),
        (-1.0, np.zeros((2, 3)), np.zeros((3, 3)), "missing_property"),
        (-1.0, np.array([[30.1, 0, 0], [0, 0, 0]]), STRESS, "max_force"),
        (-1.0, np.array([[18.0, 18.0, 18.0], [0, 0, 0]]), STRESS, "max_force"),
        (-1.0, np.array([[29.9, 0, 0], [0, 0, 0]]), STRESS, None),
    ],
)
def test_a_raw_label_is_judged_by_itself(energy, forces, stress, expected):
    """Every kind of bad label has its own word; the force that counts is the vector's length."""
    assert reason(GATES.after(pair(2.4), RawLabel(energy, forces, stress))) == expected


def test_an_energy_out_of_line_is_found_though_it_pulls_the_fit():
    """One label 5 eV/atom off among eleven: it and no other is marked."""
    compositions = np.array([[2, 1]] * 6 + [[3, 1]] * 5, dtype=float)
    energies = compositions @ np.array([-2.0, -4.0])
    energies[3] += 5.0 * 3
    outliers = GATES.energy_outliers(compositions, energies)
    assert np.flatnonzero(outliers).tolist() == [3]


def test_a_single_label_has_nothing_to_be_out_of_line_with():
    """The fit goes through it."""
    assert not GATES.energy_outliers(np.array([[2.0, 1.0]]), np.array([1e3])).any()
