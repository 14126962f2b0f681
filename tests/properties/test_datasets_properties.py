"""Properties of splits, selections, descriptors, duplicates and gates."""

import numpy as np
from ase import Atoms
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interphase_flows.datasets.duplicates import find_duplicates
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.selection.descriptors import frame_descriptor
from interphase_flows.datasets.selection.farthest_points import farthest_points, share_by_group
from interphase_flows.datasets.splits import split_origins
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.schemas.origin import Origin

SIDES = {"train", "validation", "test"}
ELEMENTS = ["Li", "P", "S"]
SAME_DESCRIPTOR = 1e-9
"""Relative to descriptors of order one: what rotating a cell costs in double precision."""
quick = settings(max_examples=40, deadline=None)

families = st.sampled_from(["crystal", "amorphous x=0.07", "interface", "slab", "explore", "audit"])
origins = st.builds(lambda family, n: Origin.of(family, str(n)), families, st.integers(0, 30))
fractions = st.floats(0.01, 0.49)
seeds = st.integers(0, 10_000)


# --- splits


@quick
@given(st.lists(origins, max_size=40), seeds, fractions, fractions, st.randoms())
def test_split_does_not_depend_on_order_or_repetition(found, seed, validation, test, rng):
    sides = split_origins(found, {}, seed, validation, test)
    shuffled = found * 2
    rng.shuffle(shuffled)
    assert split_origins(shuffled, {}, seed, validation, test) == sides
    assert sides.keys() == set(found)
    assert set(sides.values()) <= SIDES


@quick
@given(st.lists(origins, max_size=30), st.lists(origins, max_size=30), seeds, fractions, fractions)
def test_assigned_split_never_changes(first, second, seed, validation, test):
    """An extended dataset keeps the split of its parent."""
    before = split_origins(first, {}, seed, validation, test)
    after = split_origins(second, before, seed, validation, test)
    assert before.items() <= after.items()
    assert split_origins([*first, *second], after, seed, validation, test) == after


@quick
@given(st.lists(origins, max_size=40), seeds, fractions, fractions)
def test_large_families_are_on_all_sides(found, seed, validation, test):
    """Three origins or more are on all sides, fewer train; crystals, explored and audit frames have a fixed split."""
    sides = split_origins(found, {}, seed, validation, test)
    for family in {origin.family for origin in sides}:
        members = {side for origin, side in sides.items() if origin.family == family}
        n = sum(origin.family == family for origin in sides)
        fixed = Origin(family).fixed_split
        assert members == ({fixed} if fixed else SIDES if n >= 3 else {"train"})


# --- selection

points = arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-50, 50).map(float))


@quick
@given(points, st.integers(0, 15), st.floats(0, 20))
def test_farthest_points_are_unique_and_never_closer_than_the_limit(rows, n, min_distance):
    chosen = farthest_points(rows, n, min_distance=min_distance)
    assert len(chosen) == len(set(chosen)) <= n
    for position, index in enumerate(chosen):
        for other in chosen[:position]:
            assert np.linalg.norm(rows[index] - rows[other]) > min_distance


@quick
@given(seeds, st.integers(1, 12), st.integers(1, 12), st.randoms())
def test_farthest_points_do_not_depend_on_the_order_of_candidates(seed, count, n, rng):
    generator = np.random.default_rng(seed)
    rows, scores = generator.normal(size=(count, 4)), generator.uniform(0.1, 3.0, size=count)
    taken = generator.normal(size=(3, 4))
    order = list(range(count))
    rng.shuffle(order)
    chosen = farthest_points(rows, n, taken, scores)
    again = [order[i] for i in farthest_points(rows[order], n, taken, scores[order])]
    assert again == chosen


@quick
@given(st.lists(st.sampled_from("abcd"), max_size=20), st.integers(0, 25))
def test_shares_of_groups_differ_by_at_most_one(groups, n):
    """Unless a group is exhausted; the order within a group is kept."""
    order = list(range(len(groups)))
    taken = share_by_group(groups, order, n)
    assert len(taken) == len(set(taken)) == min(n, len(groups))
    shares = {group: sum(groups[i] == group for i in taken) for group in set(groups)}
    for group in shares:
        mine = [i for i in taken if groups[i] == group]
        assert mine == sorted(mine)
        has_more = shares[group] < groups.count(group)
        if has_more:
            assert shares[group] >= max(shares.values()) - 1


# --- descriptors


def random_atoms(seed: int) -> Atoms:
    generator = np.random.default_rng(seed)
    cell = 5.0 * np.eye(3) + generator.uniform(-0.8, 0.8, size=(3, 3))
    return Atoms(generator.choice(ELEMENTS, size=7), scaled_positions=generator.random((7, 3)), cell=cell, pbc=True)


@settings(max_examples=15, deadline=None)
@given(seeds, st.randoms())
def test_descriptor_is_invariant(seed, rng):
    """Under permutation, translation, wrapping, rotation, choice of lattice vectors and repetition."""
    atoms = random_atoms(seed)
    expected = frame_descriptor(atoms, ELEMENTS)
    order = list(range(len(atoms)))
    rng.shuffle(order)
    moved, rotated, skewed = atoms.copy(), atoms.copy(), atoms.copy()
    moved.translate([rng.uniform(-9, 9) for _ in range(3)])
    moved.wrap()
    rotated.rotate(rng.uniform(0, 360), [1.0, rng.uniform(-1, 1), 2.0], rotate_cell=True)
    skewed.set_cell(np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ atoms.cell.array)
    for same in (atoms[order], moved, rotated, skewed, atoms.repeat((1, 2, 1))):
        np.testing.assert_allclose(frame_descriptor(same, ELEMENTS), expected, rtol=0, atol=SAME_DESCRIPTOR)


# --- duplicates

TOLERANCE_ANGSTROM = 0.002


def transformed(atoms: Atoms, rng) -> Atoms:
    """Return the same structure with another order, position, orientation, handedness and cell."""
    generator = np.random.default_rng(rng.randint(0, 2**31))
    other = atoms[generator.permutation(len(atoms))]
    choice = np.eye(3, dtype=int)
    for _ in range(3):  # products of shears generate all choices of lattice vectors
        to, by = generator.choice(3, size=2, replace=False)
        choice[to] += int(generator.integers(-2, 3)) * choice[by]
    other.set_cell(choice @ other.cell.array)
    other.translate(generator.uniform(-20, 20, 3))
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    other.set_cell(other.cell.array @ rotation)
    other.positions = other.positions @ rotation
    if rng.random() < 0.5:
        other.wrap()
    return other


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(["random", "Li2S", "Li"]), st.randoms(use_true_random=False))
def test_transformed_duplicate_is_found(seed, kind, rng):
    """Disordered cells and perfect crystals, with the noise of a file with four decimals."""
    atoms = random_atoms(seed) if kind == "random" else STRUCTURES[kind]
    other = transformed(atoms, rng)
    other.positions += np.random.default_rng(seed).uniform(-5e-5, 5e-5, other.positions.shape)
    assert find_duplicates([atoms, other], TOLERANCE_ANGSTROM) == {1: 0}


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(["random", "Li2S"]), st.randoms(use_true_random=False))
def test_rattled_copy_is_no_duplicate(seed, kind, rng):
    """0.05 Å per component, in transformed cells of six atoms and more."""
    atoms = random_atoms(seed) if kind == "random" else STRUCTURES[kind]
    rattled = atoms.copy()
    rattled.rattle(0.05, seed=seed)
    assert find_duplicates([atoms, transformed(rattled, rng)], TOLERANCE_ANGSTROM) == {}


# --- gates

GATES = Gates()
STRUCTURES = {
    "Li2S": bulk("SLi2", "fluorite", a=5.7) * (1, 1, 2),
    "Li": bulk("Li", "bcc", a=3.44, cubic=True),
    "LiP": bulk("LiP", "rocksalt", a=5.2),
}


@st.composite
def good_labels(draw):
    """Draw a rattled crystal with plausible energy, forces and stress.

    Eight cells, since one atom displaced by chance along a mirror would leave a symmetry that random forces break.
    """
    atoms = STRUCTURES[draw(st.sampled_from(sorted(STRUCTURES)))] * (2, 2, 2)
    atoms.rattle(0.1, seed=draw(seeds))
    generator = np.random.default_rng(draw(seeds))
    forces = generator.uniform(-5, 5, size=(len(atoms), 3))
    forces -= forces.mean(axis=0)  # no net force
    return atoms, -4.0 * len(atoms), forces, generator.uniform(-0.2, 0.2, size=6)


@quick
@given(good_labels())
def test_good_labels_pass(label):
    atoms, energy, forces, stress = label
    assert GATES.before(atoms) is None
    assert GATES.after(atoms, RawLabel(energy, forces, stress)) is None


@quick
@given(good_labels(), st.data())
def test_planted_fault_is_always_rejected(label, data):
    """One number that is not finite, one force too large, two atoms overlapping, one property missing."""
    atoms, energy, forces, stress = label
    atom, axis = data.draw(st.integers(0, len(atoms) - 1)), data.draw(st.integers(0, 2))
    bad = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    broken_forces, strong_forces, broken_stress = forces.copy(), forces.copy(), stress.copy()
    broken_forces[atom, axis] = broken_stress[2 * axis] = bad
    strong_forces[atom, axis] = data.draw(st.sampled_from([-1, 1])) * 30.01
    for wrong in ((bad, forces, stress), (energy, broken_forces, stress), (energy, forces, broken_stress)):
        assert GATES.after(atoms, RawLabel(*wrong)).reason == "not_finite"
    assert GATES.after(atoms, RawLabel(energy, strong_forces, stress)).reason == "max_force"
    for wrong in (
        (None, forces, stress),
        (energy, None, stress),
        (energy, forces[1:], stress),
        (energy, forces, stress[:5]),
    ):
        assert GATES.after(atoms, RawLabel(*wrong)).reason == "missing_property"
    other = data.draw(st.integers(0, len(atoms) - 1))
    assume(other != atom)
    not_finite = atoms.copy()
    not_finite.positions[atom, axis] = bad
    assert GATES.before(not_finite).reason == "not_finite"
    on_top = atoms.copy()
    lattice_vector = atoms.cell.array[data.draw(st.integers(0, 2))]
    on_top.positions[atom] = on_top.positions[other] + lattice_vector + [0.0, 0.0, data.draw(st.floats(0, 0.6))]
    assert GATES.before(on_top).reason == "overlapping_atoms"


@quick
@given(seeds, st.floats(3.0, 1e4), st.sampled_from([-1, 1]), st.integers(3, 6))
def test_planted_energy_outlier_is_found(seed, off_eV_per_atom, sign, per_phase):
    """Labels of four phases with a scatter of 0.1 eV/atom, one of them off by more than the window."""
    generator = np.random.default_rng(seed)
    phases = np.array([[12, 0, 0], [8, 0, 4], [6, 2, 0], [7, 3, 11]], dtype=float)
    compositions = np.repeat(phases, per_phase, axis=0)
    n_atoms = compositions.sum(axis=1)
    energies = compositions @ [-1.9, -5.3, -4.1] + n_atoms * generator.uniform(-0.1, 0.1, len(n_atoms))
    assert not GATES.energy_outliers(compositions, energies).any()
    bad = int(generator.integers(len(energies)))
    energies[bad] += sign * off_eV_per_atom * n_atoms[bad]
    assert np.flatnonzero(GATES.energy_outliers(compositions, energies)).tolist() == [bad]


def test_gates_follow_their_limits():
    atoms = Atoms("Li2", positions=[[0, 0, 0], [2.0, 0, 0]], cell=[9, 9, 9], pbc=True)
    assert GATES.before(atoms) is None
    assert Gates(min_distance_fraction=0.9).before(atoms).reason == "overlapping_atoms"
    forces = np.array([[5.0, 0, 0], [-5.0, 0, 0]])
    assert GATES.after(atoms, RawLabel(-1.0, forces, np.zeros(6))) is None
    assert Gates(max_force_eV_per_angstrom=4.0).after(atoms, RawLabel(-1.0, forces, np.zeros(6))).reason == "max_force"
