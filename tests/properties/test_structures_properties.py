"""Properties of structure keys and generators."""

from dataclasses import replace

import numpy as np
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.structures.amorphous.mixtures import composition_on_line, random_packing
from interphase_flows.structures.checks import check_no_overlap, pair_distances_angstrom, same_stoichiometry
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import equation_of_state, strained_and_rattled
from interphase_flows.structures.crystals.vacancies import distinct_sites, vacancies
from interphase_flows.structures.dimers import dimers
from interphase_flows.structures.interfaces.slabs import slabs
from interphase_flows.structures.interfaces.small_interfaces import SMALLEST, small_interface
from interphase_flows.structures.structure_keys import structure_key

FLOAT_NOISE_ANGSTROM = 1e-14
SMALLEST_CHANGE_ANGSTROM = 1e-6

seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(["Li", "Li2S", "Li3P", "Li3PS4", "Li7P3S11"])
few = settings(max_examples=25, deadline=None, derandomize=True)


def random_structure(seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(3, 30, 3)) + rng.uniform(-1, 1, (3, 3))
    numbers = rng.choice([3, 15, 16], size=rng.integers(1, 30))
    return Atoms(numbers, scaled_positions=rng.random((len(numbers), 3)), cell=cell, pbc=True)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=seeds)
def test_keys_ignore_noise_translations_and_attached_data(seed):
    atoms = random_structure(seed)
    rng = np.random.default_rng(seed + 1)
    other = atoms.copy()
    other.positions += rng.uniform(-1, 1, other.positions.shape) * FLOAT_NOISE_ANGSTROM
    other.positions += rng.integers(-3, 4, other.positions.shape) @ other.cell.array
    other.info["comment"] = "read from a file"
    other.set_array("forces_seen", rng.random((len(other), 3)))
    assert structure_key(other) == structure_key(atoms)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=seeds)
def test_keys_change_with_any_atom(seed):
    atoms = random_structure(seed)
    rng = np.random.default_rng(seed + 1)
    direction = rng.normal(size=3)
    other = atoms.copy()
    other.positions[rng.integers(len(other))] += SMALLEST_CHANGE_ANGSTROM * direction / np.linalg.norm(direction)
    assert structure_key(other) != structure_key(atoms)
    heavier = atoms.copy()
    heavier.numbers[rng.integers(len(heavier))] += 1
    assert structure_key(heavier) != structure_key(atoms)
    strained = atoms.copy()
    strained.cell[rng.integers(3), rng.integers(3)] += SMALLEST_CHANGE_ANGSTROM
    assert structure_key(strained) != structure_key(atoms)


@few
@given(seed=seeds)
def test_keys_of_simple_fractions_do_not_depend_on_rounding(seed):
    rng = np.random.default_rng(seed)
    fractions = rng.integers(0, 12, (8, 3)) / 12
    cell = np.round(rng.uniform(3, 20, 3), 5)
    exact = Atoms("Li8", scaled_positions=fractions, cell=cell, pbc=True)
    printed = Atoms("Li8", scaled_positions=np.round(fractions, 12), cell=cell, pbc=True)
    assert structure_key(exact) == structure_key(printed)


@few
@given(name=names, seed=seeds, max_strain=st.floats(0, 0.08), rattle=st.floats(0, 0.15))
def test_perturbed_crystals_keep_their_stoichiometry_and_never_overlap(name, seed, max_strain, rattle):
    crystal = load_phase(name)
    for copy in strained_and_rattled(crystal, 2, max_strain, rattle, seed, min_atoms=10):
        assert same_stoichiometry(copy, crystal)
        assert len(copy) >= 10
        check_no_overlap(copy)


@few
@given(x=st.floats(0.15, 0.85), n_atoms=st.integers(30, 90), seed=seeds)
def test_packings_keep_their_composition_and_distances(x, n_atoms, seed):
    composition = composition_on_line(x, n_atoms) if x < 1 - 11 / n_atoms else {"Li": n_atoms}
    assert sum(composition.values()) == n_atoms
    atoms = random_packing(composition, seed)
    found = {element: atoms.get_chemical_symbols().count(element) for element in composition}
    assert found == composition
    check_no_overlap(atoms, pair_distances_angstrom(set(composition), 0.8))


@few
@given(x=st.floats(0, 1), n_formula_units=st.integers(1, 5), n_more=st.integers(1, 40))
def test_compositions_stay_on_the_line(x, n_formula_units, n_more):
    n_atoms = 21 * n_formula_units + n_more
    lowest = 21 / n_atoms
    x = min(x, 1 - lowest)
    counts = composition_on_line(x, n_atoms)
    assert sum(counts.values()) == n_atoms
    assert counts["S"] * 3 == counts["P"] * 11
    assert counts["S"] % 11 == 0
    assert counts["Li"] * 11 >= counts["S"] * 7


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=seeds, gap=st.floats(1.9, 3.0), variant=st.integers(0, 1), termination=st.integers(0, 3))
def test_small_interfaces_have_intact_anions_and_no_overlaps(seed, gap, variant, termination):
    spec = replace(SMALLEST, seed=seed, gap_angstrom=gap, termination=termination)
    built = small_interface(spec, variant)
    assert built.n_broken_units == 0
    assert built.n_atoms <= 90
    assert same_stoichiometry(built.atoms[built.atoms.arrays["side"] == 1], load_phase("Li7P3S11"))
    check_no_overlap(built.atoms)


@few
@given(name=names, n=st.integers(1, 5), max_strain=st.floats(0.001, 0.1))
def test_scaled_cells_keep_their_stoichiometry_and_grow_in_order(name, n, max_strain):
    crystal = load_phase(name)
    cells = equation_of_state(crystal, n, max_strain, min_atoms=8)
    volumes = np.array([cell.get_volume() / len(cell) for cell in cells])
    assert len(cells) == n
    assert (np.diff(volumes) > 0).all()
    for cell in cells:
        assert same_stoichiometry(cell, crystal)
        check_no_overlap(cell)


@few
@given(name=names, seed=seeds, n=st.integers(1, 4), rattle=st.floats(0, 0.1))
def test_vacancies_lack_one_atom_of_a_distinct_site(name, seed, n, rattle):
    crystal = load_phase(name)
    sites = distinct_sites(crystal)
    for defect in vacancies(crystal, n, 30, rattle, seed):
        check_no_overlap(defect)
        assert defect.info["site"] in sites
        restored = defect + Atoms(defect.info["removed"], positions=[[0, 0, 0]])
        assert same_stoichiometry(restored, crystal)


@few
@given(
    elements=st.sets(st.sampled_from(["Li", "Na", "P", "S", "Cl", "O"]), min_size=1, max_size=4),
    n=st.integers(1, 4),
    shortest=st.floats(0.6, 1.0),
    longest=st.floats(1.0, 1.8),
)
def test_dimers_are_never_closer_than_requested(elements, n, shortest, longest):
    pairs = dimers(elements, n, shortest, longest, 14.0)
    assert len(pairs) == n * len(elements) * (len(elements) + 1) // 2
    for pair in pairs:
        check_no_overlap(pair, scale=0.999 * shortest)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(name=st.sampled_from(["Li", "Li2S", "Li3PS4"]), thickness=st.floats(4, 12), vacuum=st.floats(8, 16))
def test_slabs_keep_their_stoichiometry_and_never_overlap(name, thickness, vacuum):
    crystal = load_phase(name)
    (slab,) = slabs(crystal, 1, 1, thickness, vacuum, 200)
    assert same_stoichiometry(slab, crystal)
    check_no_overlap(slab)
