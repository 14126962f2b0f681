"""Production cells: both bulks in the requested thickness, intact anions, strain and gap as recorded."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.anions import anion_formulas, n_broken_anions
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.interfaces.builder import ELECTRODE, ELECTROLYTE, thicknesses_angstrom
from interphase_flows.structures.interfaces.production_cells import (
    ProductionCellSpec,
    build_production_cell,
    plan_production_cell,
)

FACES = [((1, 1, 0), (0, 0, 1)), ((1, 1, 0), (0, 1, 1)), ((1, 0, 0), (0, 1, 0)), ((1, 1, 0), (1, 0, 0))]


def lateral_heights_angstrom(cell: np.ndarray) -> np.ndarray:
    """Return the distances between opposite sides of the in-plane cell."""
    area = np.linalg.norm(np.cross(cell[0], cell[1]))
    return area / np.linalg.norm(cell[:2], axis=1)


@settings(max_examples=8, deadline=None)
@given(
    faces=st.sampled_from(FACES),
    electrode=st.floats(10, 40),
    electrolyte=st.floats(10, 40),
    lateral=st.floats(10, 25),
    gap=st.floats(1.8, 4.0),
    seed=st.integers(0, 2**31),
    termination=st.integers(0, 1),
)
def test_cell_has_the_requested_lengths_and_intact_anions(
    faces, electrode, electrolyte, lateral, gap, seed, termination
):
    spec = ProductionCellSpec(
        electrode_miller=faces[0],
        electrolyte_miller=faces[1],
        electrode_angstrom=electrode,
        electrolyte_angstrom=electrolyte,
        lateral_angstrom=lateral,
        gap_angstrom=gap,
        max_strain=0.03,
        termination=termination,
        seed=seed,
    )
    built = build_production_cell(spec)
    atoms, side = built.atoms, built.atoms.arrays["side"]
    planes = (electrode - 3.0, electrolyte - 8.0)  # a slab lacks about one plane of its period
    assert all(found > wanted for found, wanted in zip(thicknesses_angstrom(built), planes, strict=True))
    assert lateral_heights_angstrom(atoms.cell.array).min() >= lateral - 1e-9
    assert abs(built.film_strain) <= 0.03
    assert built.gap_angstrom == pytest.approx(gap, abs=1e-6)
    assert built.area_angstrom2 == pytest.approx(np.linalg.norm(np.cross(*atoms.cell.array[:2])))
    assert plan_production_cell(spec).n_atoms == len(atoms)
    # counted in the repeated cell itself
    bulk = load_phase("Li7P3S11")
    n_bulk_cells = np.count_nonzero(side == ELECTROLYTE) // len(bulk)
    expected = Counter({name: n * n_bulk_cells for name, n in anion_formulas(bulk).items()})
    assert n_broken_anions(atoms, expected) == built.n_broken_units == 0
    assert set(atoms.symbols[side == ELECTRODE]) == {"Li"}


def test_wide_cell_is_a_repeated_narrow_one():
    narrow, wide = (build_production_cell(ProductionCellSpec(lateral_angstrom=x)) for x in (14.0, 140.0))
    ratio = wide.n_atoms / narrow.n_atoms
    assert wide.n_atoms > 50_000
    assert ratio == round(ratio)
    assert wide.area_angstrom2 == pytest.approx(ratio * narrow.area_angstrom2)
    assert wide.film_strain == narrow.film_strain
    counts = [np.bincount(each.atoms.numbers, minlength=17) for each in (narrow, wide)]
    assert (counts[1] == round(ratio) * counts[0]).all()


def test_seeds_shift_the_electrode_in_the_plane():
    first, second = (build_production_cell(ProductionCellSpec(seed=seed)).atoms for seed in (0, 1))
    electrode = first.arrays["side"] == ELECTRODE
    assert not np.allclose(first.positions[electrode], second.positions[electrode])
    assert np.allclose(first.positions[~electrode], second.positions[~electrode])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lateral_angstrom": 1.0}, "lateral_angstrom=1.0: must be between"),
        ({"electrode_angstrom": float("nan")}, "electrode_angstrom=nan"),
        ({"max_strain": 1e-4}, "no match of Li.* Hint: increase max_strain"),
        ({"max_strain": -1.0}, "max_strain"),
        ({"termination": 99}, "termination=99"),
        ({"gap_angstrom": 0.1}, "gap_angstrom=0.1"),
    ],
)
def test_impossible_cell_is_rejected_with_its_reason(changes, message):
    with pytest.raises(StructureError, match=message):
        build_production_cell(ProductionCellSpec(**changes))


def test_gap_that_is_too_narrow_is_rejected():
    with pytest.raises(OverlappingAtomsError):
        build_production_cell(ProductionCellSpec(gap_angstrom=0.5))
