"""Anions and coordination numbers of ideal and thermal crystals in any cell setting."""

from dataclasses import replace

import numpy as np
import pytest

from interphase_flows.analysis.geometry.coordination import (
    RadialDistribution,
    coordination_numbers,
    first_minimum,
    radial_distribution,
)
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.analysis.speciation.anion_species import (
    NOT_AN_ANION,
    classify_environments,
)
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from li_p_s import LI_P_S

ANIONS = {
    "Li7P3S11": {"PS4": 2, "P2S7": 2},  # 1 : 1
    "Li3PS4": {"PS4": 2},
    "Li2S": {"isolated S": 4},
    "Li3P": {"isolated P": 2},
    "LiP": {"Pn": 2},  # two infinite helices
    "Li2PS3": {"P2S6": 1},  # Li4P2S6, with its P-P bond
    "LiPS3": {"P2S6 edge-sharing": 2},  # Li2P2S6, without one
    "P": {"Pn": 1},
    "S": {"bonded S": 4},
    "Li": {},
}
THERMAL_ANGSTROM = 0.08  # per direction; about what P and S do at 300 K


def anions(atoms):
    return classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, LI_P_S).counts()


def scaled(expected, factor):
    return {name: n * factor for name, n in expected.items()}


@pytest.mark.parametrize("phase", ANIONS)
def test_anions_of_crystals(phase):
    assert anions(load_phase(phase)) == ANIONS[phase]


@pytest.mark.parametrize("phase", ["Li7P3S11", "Li3PS4", "Li2S", "Li3P", "Li2PS3"])
def test_anions_of_thermal_crystals(phase):
    atoms = load_phase(phase) * (2, 2, 2)
    for seed in range(3):
        moved = atoms.copy()
        moved.positions += np.random.default_rng(seed).normal(0, THERMAL_ANGSTROM, (len(atoms), 3))
        assert anions(moved) == scaled(ANIONS[phase], 8)


def test_anions_are_independent_of_wrapping_rotation_and_cell_setting():
    atoms = load_phase("Li7P3S11")
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    atoms.positions += [100.0, -40.0, 7.0]
    atoms.wrap()
    assert anions(atoms) == ANIONS["Li7P3S11"]
    skewed = atoms.copy()
    skewed.set_cell(np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]]) @ atoms.cell[:])
    assert anions(skewed) == ANIONS["Li7P3S11"]


def test_atom_codes_are_those_of_their_anions():
    atoms = load_phase("Li7P3S11")
    found = classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, LI_P_S)
    codes = found.atom_codes
    assert (codes[atoms.numbers == 3] == NOT_AN_ANION).all()
    ps4, p2s7 = found.labels.index("PS4"), found.labels.index("P2S7")
    assert (codes == ps4).sum() == 2 * 5
    assert (codes == p2s7).sum() == 2 * 9
    assert found.n_centres.sum() == 6


def test_broken_bond_makes_a_fragment_and_an_isolated_ligand():
    atoms = load_phase("Li3PS4")
    lone = int(np.flatnonzero(atoms.numbers == 16)[0])
    vectors = atoms.get_distances(lone, np.flatnonzero(atoms.numbers == 15), mic=True, vector=True)
    nearest = vectors[np.linalg.norm(vectors, axis=1).argmin()]
    atoms.positions[lone] -= 0.7 * nearest / np.linalg.norm(nearest)
    counts = anions(atoms)
    assert counts["PS4"] == 1
    assert counts["PSx"] == 1
    assert counts["isolated S"] == 1


def test_anions_of_other_elements():
    """Li3PS4 written as Na3SbS4: the names follow the elements."""
    atoms = load_phase("Li3PS4")
    atoms.numbers[atoms.numbers == 15] = 51
    chemistry = replace(LI_P_S, anion_centres={"Sb"})
    found = classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, chemistry)
    assert found.counts() == {"SbS4": 2}
    with pytest.raises(AnalysisError, match="nothing in common"):
        replace(LI_P_S, anion_centres={"S"})


def frames_of(*structures):
    return ArrayFrames(
        structures[0].numbers,
        1000.0 * np.arange(len(structures)),
        np.array([atoms.positions for atoms in structures]),
        np.array([atoms.cell[:] for atoms in structures]),
    )


@pytest.mark.parametrize(
    ("phase", "centre", "neighbour", "cutoff_angstrom", "expected"),
    [
        ("Li2S", "S", "Li", 3.0, 8),
        ("Li3P", "P", "Li", 3.1, 11),
        ("Li7P3S11", "P", "S", 2.6, 4),
        ("Li2PS3", "P", "P", 2.6, 1),
        ("Li2PS3", "P", "S", 2.6, 3),
        ("LiP", "P", "P", 2.6, 2),
        ("Li", "Li", "Li", 3.8, 14),
    ],
)
def test_coordination_of_ideal_crystals(phase, centre, neighbour, cutoff_angstrom, expected):
    atoms = load_phase(phase)
    numbers = coordination_numbers(
        atoms.positions,
        atoms.cell[:],
        atoms.numbers,
        centre=centre,
        neighbour=neighbour,
        cutoff_angstrom=cutoff_angstrom,
    )
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize(
    ("phase", "centre", "neighbour", "shortest_angstrom"),
    [("Li2S", "S", "Li", 2.47), ("Li2PS3", "P", "P", 2.25)],
)
def test_bond_lengths_of_ideal_crystals(phase, centre, neighbour, shortest_angstrom):
    atoms = load_phase(phase)
    first, second = (np.flatnonzero(atoms.symbols == symbol) for symbol in (centre, neighbour))
    pairs = pairs_within(atoms.positions, atoms.cell[:], 3.0)
    wanted = np.isin(pairs.first, first) & np.isin(pairs.second, second)
    np.testing.assert_allclose(pairs.distance_angstrom[wanted], shortest_angstrom, atol=0.02)


def thermal_frames(phase, n=6):
    still = load_phase(phase) * (2, 2, 2)
    structures = [still.copy() for _ in range(n)]
    for seed, atoms in enumerate(structures):
        atoms.rattle(stdev=0.1, seed=seed)
    return frames_of(*structures)


def test_first_minimum_lies_between_the_shells_of_thermal_crystals():
    rdf = radial_distribution(thermal_frames("Li7P3S11"), centre="P", neighbour="S")
    assert 2.3 < first_minimum(rdf) < 3.3  # P-S bond 2.05 Å, next S at 3.9 Å
    rdf = radial_distribution(thermal_frames("Li2S"), centre="S", neighbour="Li")
    assert 2.8 < first_minimum(rdf) < 4.4  # shells at 2.47 and 4.73 Å


def test_rdf_tends_to_one_for_uncorrelated_points():
    cell = np.array([[12.0, 0, 0], [5.0, 11.0, 0], [-3.0, 4.0, 13.0]])
    rng = np.random.default_rng(0)
    positions = rng.random((20, 200, 3)) @ cell
    frames = ArrayFrames(np.full(200, 3), np.arange(20.0), positions, cell)
    rdf = radial_distribution(frames, centre="Li", neighbour="Li", r_max_angstrom=8.0, bin_width_angstrom=0.5)
    np.testing.assert_allclose(rdf.g[4:], 1.0, atol=0.06)


def test_range_without_a_second_shell_raises():
    r = np.linspace(0.025, 3.0, 60)
    with pytest.raises(AnalysisError, match="longer range"):
        first_minimum(RadialDistribution("P", "S", r, np.exp(-((r - 2.05) ** 2) / 0.01)))
