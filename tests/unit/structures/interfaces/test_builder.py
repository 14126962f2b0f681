"""Interfaces: invalid specifications, variants and oriented cells. Known answers are in tests/physics."""

from dataclasses import replace

import numpy as np
import pytest

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.anions import anion_formulas, n_broken_anions, unwrapped_anion_positions
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.interfaces.builder import (
    ELECTRODE,
    ELECTROLYTE,
    InterfaceSpec,
    build_interface,
)
from interphase_flows.structures.interfaces.oriented_cells import (
    cuts_between_anions,
    oriented_cell,
    slab_from_cut,
)
from interphase_flows.structures.interfaces.small_interfaces import (
    SMALLEST,
    small_interface,
    small_interface_specs,
)
from interphase_flows.structures.structure_keys import structure_key

SMALL = InterfaceSpec(substrate_miller=(0, 1, 1), film_layers=3, max_strain=0.05, max_atoms=90)


def test_default_small_interface_has_84_atoms_and_less_than_3_percent_strain():
    built = small_interface()
    assert built.n_atoms == 84
    assert abs(built.film_strain) < 0.03
    assert sum(built.atoms.arrays["side"] == ELECTROLYTE) == 42
    assert sum(built.atoms.arrays["side"] == ELECTRODE) == 42
    assert set(built.atoms[built.atoms.arrays["side"] == ELECTRODE].get_chemical_symbols()) == {"Li"}


def test_small_interface_is_reproducible():
    assert structure_key(small_interface().atoms) == structure_key(small_interface().atoms)


def test_variants_terminations_seeds_and_gaps_give_different_interfaces():
    changes = [{}, {"seed": 1}, {"gap_angstrom": 2.5}, {"termination": 2}]
    built = [small_interface(replace(SMALLEST, **change)) for change in changes]
    built.append(small_interface(variant=1))
    assert len({structure_key(each.atoms) for each in built}) == len(built)


def test_variants_are_ordered_by_strain():
    strains = [abs(build_interface(spec).film_strain) for spec in small_interface_specs()]
    assert len(strains) >= 2
    assert strains == sorted(strains)


def test_unknown_variant_or_termination_raises():
    with pytest.raises(StructureError, match="variant=99"):
        small_interface(variant=99)
    with pytest.raises(StructureError, match=r"termination=99.*use 0 to"):
        small_interface(replace(SMALLEST, termination=99))


def test_error_without_a_match_states_the_bounds():
    with pytest.raises(StructureError, match=r"max_strain=0\.001 and max_atoms=60"):
        build_interface(replace(SMALL, max_strain=0.001, max_atoms=60))


@pytest.mark.parametrize(
    "change",
    [
        {"film_layers": 0},
        {"substrate_layers": 0},
        {"max_strain": 0.0},
        {"max_strain": 0.5},
        {"gap_angstrom": 0.1},
        {"film_miller": (0, 0, 0)},
        {"electrolyte": "Li7PS6"},
    ],
)
def test_invalid_specifications_raise(change):
    with pytest.raises(StructureError):
        build_interface(replace(SMALL, **change))


def test_network_electrolyte_raises():
    with pytest.raises(StructureError, match="chain or a network"):
        unwrapped_anion_positions(load_phase("P"))


def test_unwrapped_anions_are_compact_and_moved_by_lattice_vectors():
    atoms = load_phase("Li7P3S11")
    positions, labels = unwrapped_anion_positions(atoms)
    moves = np.linalg.solve(atoms.cell.array.T, (positions - atoms.positions).T)
    assert np.abs(moves - np.rint(moves)).max() < 1e-9
    assert max(np.ptp(positions[labels == label], axis=0).max() for label in labels) < 7.5


def test_broken_anion_is_counted():
    atoms = load_phase("Li7P3S11")
    expected = anion_formulas(atoms)
    del atoms[[atom.index for atom in atoms if atom.symbol == "S"][-1]]
    assert n_broken_anions(atoms, expected) == 1


@pytest.mark.parametrize("miller", [(1, 0, 0), (0, 1, 0), (1, -1, 0), (2, 1, 0), (1, 1, 1)])
def test_oriented_cell_is_the_same_crystal(miller):
    for name in ("Li", "Li7P3S11"):
        crystal = load_phase(name)
        cell = oriented_cell(crystal, miller)
        assert cell.get_volume() / len(cell) == pytest.approx(crystal.get_volume() / len(crystal))
        assert cell.cell.array[0, 1:] == pytest.approx([0, 0], abs=1e-9)
        assert cell.cell.array[1, 2] == pytest.approx(0, abs=1e-9)
        assert np.linalg.det(cell.cell.array) > 0


def test_plane_spacings_of_bcc():
    lithium = load_phase("Li")
    a = 3.5093
    spacings = {(1, 1, 0): a / 2**0.5, (1, 0, 0): a / 2, (1, 1, 1): a / 3**0.5 / 2, (2, 1, 1): a / 6**0.5}
    spacings |= {(5, 7, 1): a / 75**0.5 / 2, (3, 5, 2): a / 38**0.5}
    for miller, spacing in spacings.items():
        assert oriented_cell(lithium, miller).cell.array[2, 2] == pytest.approx(spacing, rel=1e-6)


def test_miller_indices_refer_to_the_given_cell():
    lithium = load_phase("Li")
    doubled = lithium.repeat((1, 1, 2))
    spacing = oriented_cell(lithium, (1, 0, 1)).cell.array[2, 2]
    assert oriented_cell(doubled, (1, 0, 2)).cell.array[2, 2] == pytest.approx(spacing)


def test_cuts_are_ordered_by_slab_thickness():
    cell = oriented_cell(load_phase("Li7P3S11"), (0, 1, 0))
    thickness = [np.ptp(slab_from_cut(cell, cut).positions[:, 2]) for cut in cuts_between_anions(cell)]
    assert len(thickness) > 4
    assert np.all(np.diff(thickness) > -1e-3)
    assert thickness[0] < cell.cell.array[2, 2]  # a clean cut: an empty plane between the anions
