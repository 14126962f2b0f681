"""Domains, percolation, order and diffraction of known structures."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.analysis.geometry.coordination import RadialDistribution, radial_distribution
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.phases.crystalline_domains import crystalline_domains
from interphase_flows.analysis.phases.diffraction import (
    debye_pattern,
    full_width_deg,
    powder_lines,
    scherrer_diameter_angstrom,
)
from interphase_flows.analysis.phases.percolation import percolation_sweep
from interphase_flows.analysis.phases.translational_order import translational_order
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase

LI2S_VOLUME_PER_S = 5.71**3 / 4


@pytest.mark.parametrize(("phase", "expected"), [("Li2S", [27.05, 31.33, 44.90, 53.20]), ("Li3P", [26.80])])
def test_cu_k_alpha_lines_agree_with_literature(phase, expected):
    found = [line.two_theta_deg for line in powder_lines(load_phase(phase))]
    for angle in expected:
        assert min(abs(angle - x) for x in found) < 0.1


def ball(diameter_angstrom):
    n = int(diameter_angstrom / 5.71) + 2
    crystal = load_phase("Li2S") * (n, n, n)
    middle = crystal.positions.mean(axis=0)
    return crystal[np.linalg.norm(crystal.positions - middle, axis=1) < diameter_angstrom / 2]


@pytest.mark.parametrize("diameter_angstrom", [30.0, 45.0])
def test_scherrer_size_of_spheres(diameter_angstrom):
    atoms = ball(diameter_angstrom)
    angles = np.arange(39.0, 49.5, 0.05)
    centre, width = full_width_deg(angles, debye_pattern(atoms.positions, atoms.numbers, angles))
    assert centre == pytest.approx(44.9, abs=0.2)
    measured = scherrer_diameter_angstrom(centre, width)
    print(f"sphere of {diameter_angstrom} Å: Scherrer {measured:.1f} Å")
    assert measured == pytest.approx(diameter_angstrom, rel=0.06)
    assert scherrer_diameter_angstrom(centre, width, shape_factor=0.9) < 0.87 * diameter_angstrom


def test_debye_pattern_of_two_atoms_agrees_with_the_equation():
    atoms = Atoms("S2", positions=[[0, 0, 0], [2.0, 0, 0]])
    both, one = (debye_pattern(atoms.positions[:n], atoms.numbers[:n], [30.0, 60.0]) for n in (2, 1))
    q = 4 * np.pi * np.sin(np.radians([15.0, 30.0])) / 1.54184
    np.testing.assert_allclose(both / one, 1 + np.sin(2 * q) / (2 * q), rtol=2e-3)


def test_line_without_half_maximum_raises():
    with pytest.raises(AnalysisError, match="widen the range"):
        full_width_deg(np.linspace(10, 20, 100), np.linspace(0, 1, 100) ** 2)


def test_two_grains_are_two_domains_across_the_periodic_boundary():
    big, small = ball(24.0), ball(14.0)
    big.positions += np.array([3.0, 30.0, 30.0]) - big.positions.mean(axis=0)  # over the border at x = 0
    small.positions += np.array([33.0, 30.0, 30.0]) - small.positions.mean(axis=0)
    both = big + small
    both.set_cell([60.0] * 3)
    both.pbc = True
    both.wrap()
    found = crystalline_domains(
        both.positions,
        both.cell[:],
        both.numbers == 16,
        link_angstrom=4.8,
        volume_per_atom_angstrom3=LI2S_VOLUME_PER_S,
    )
    n_sulfur = [int((grain.numbers == 16).sum()) for grain in (big, small)]
    assert found.sizes.tolist() == n_sulfur
    np.testing.assert_allclose(found.diameter_angstrom, [24.0, 14.0], rtol=0.08)
    assert set(found.atom_domain[both.numbers == 3]) == {-1}
    assert 14 < found.mean_diameter_angstrom < 26


def test_empty_selection_has_no_domain():
    atoms = load_phase("Li2S")
    none = crystalline_domains(
        atoms.positions, atoms.cell[:], np.zeros(12, bool), link_angstrom=4.8, volume_per_atom_angstrom3=46.5
    )
    assert len(none.sizes) == 0
    assert none.mean_diameter_angstrom == 0


def chain(n=6, step=2.5, length=None, axis=2):
    """Li-P-Li-P in a row, 2.5 Å apart."""
    positions = np.zeros((n, 3))
    positions[:, axis] = step * np.arange(n)
    cell = np.full(3, 12.0)
    cell[axis] = length or n * step
    return Atoms(["Li", "P"] * (n // 2), positions=positions, cell=cell, pbc=True)


def sweep(atoms, *, first=("Li",), second=("P",), cutoffs_angstrom=(2.6, 3.2), layer=None):
    return percolation_sweep(
        atoms.positions,
        atoms.cell[:],
        atoms.numbers,
        first=first,
        second=second,
        cutoffs_angstrom=cutoffs_angstrom,
        layer=layer,
    )


def test_only_closed_chains_wrap():
    closed, open_ = chain(), chain(length=20.0)
    short, long = sweep(closed, cutoffs_angstrom=(2.4, 2.6))
    assert short.n_networks == 0
    assert short.wraps == (False, False, False)
    assert long.wraps == (False, False, True)
    assert long.largest_share == 1.0
    (found,) = sweep(open_, cutoffs_angstrom=(2.6,))
    assert found.n_networks == 1
    assert found.wraps == (False, False, False)


def test_wrapping_is_independent_of_the_cell_setting():
    closed = chain()
    closed.positions += [0.3, 11.9, 7.7]
    closed.wrap()
    assert sweep(closed, cutoffs_angstrom=(2.6,))[0].wraps == (False, False, True)
    skewed = closed.copy()
    skewed.set_cell(np.array([[1, 0, 1], [0, 1, -2], [0, 0, 1]]) @ closed.cell[:])
    assert sweep(skewed, cutoffs_angstrom=(2.6,))[0].wraps == (False, False, True)


def test_two_atoms_bonded_to_periodic_images_wrap():
    """The cell is so thin that both bonds join the same two atoms."""
    assert sweep(chain(n=2), cutoffs_angstrom=(2.6,))[0].wraps == (False, False, True)


def test_crystals_percolate_from_their_shortest_bonds():
    atoms = load_phase("Li3P") * (2, 2, 1)
    distances = atoms.get_all_distances(mic=True)[np.ix_(atoms.numbers == 15, atoms.numbers == 3)]
    shortest = float(distances.min())
    print(f"shortest P-Li of Li3P: {shortest:.3f} Å")
    below, planes, all_of_it = sweep(atoms, cutoffs_angstrom=(shortest - 0.01, shortest + 0.01, 3.1))
    assert below.n_networks == 0
    # trigonal BN-like sheets first, normal to c
    assert planes.wraps == (True, True, False)
    assert planes.n_networks == 2
    assert all_of_it.wraps == (True, True, True)
    assert all_of_it.largest_share == 1.0


def test_network_with_a_gap_does_not_span_a_layer():
    network = chain(n=8, length=40.0)
    layer = (-1.0 / 40, 19.0 / 40)
    assert sweep(network, cutoffs_angstrom=(2.6,), layer=layer)[0].spans
    del network[4]
    broken = sweep(network, cutoffs_angstrom=(2.6,), layer=layer)
    assert broken[0].spans is False


def test_bonds_outside_the_layer_are_ignored():
    """A ring outside of the layer is not a path through it."""
    ring = chain(n=8)
    del ring[2:4]
    assert sweep(ring, cutoffs_angstrom=(2.6,), layer=(0.0, 0.6))[0].spans is False
    with pytest.raises(AnalysisError, match="layer"):
        sweep(ring, layer=(0.6, 0.1))
    with pytest.raises(AnalysisError, match="nothing in common"):
        sweep(ring, second={"Li"})


def thermal_rdf(atoms, stdev, seeds=4):
    positions = atoms.positions + np.random.default_rng(0).normal(0, stdev, (seeds, len(atoms), 3))
    frames = ArrayFrames(atoms.numbers, np.arange(float(seeds)), positions, atoms.cell[:])
    return radial_distribution(frames, centre="S", neighbour="Li", r_max_angstrom=8.0, bin_width_angstrom=0.1)


def test_order_decreases_from_crystal_to_gas():
    crystal = load_phase("Li2S") * (3, 3, 3)
    density = (crystal.numbers == 3).sum() / crystal.get_volume()
    cold, warm = (translational_order(thermal_rdf(crystal, stdev), density) for stdev in (0.05, 0.3))
    # the rest is the noise of counting in small shells
    gas = translational_order(thermal_rdf(crystal, 50.0, seeds=16), density)
    print(f"tau: {cold:.2f}, {warm:.2f}, {gas:.2f}")
    assert cold > 1.3 * warm > 3 * gas
    assert gas < 0.1
    with pytest.raises(AnalysisError, match="density"):
        translational_order(thermal_rdf(crystal, 0.1, seeds=1), 0.0)
    with pytest.raises(AnalysisError, match="x_c"):
        translational_order(thermal_rdf(crystal, 0.1, seeds=1), density, largest_reduced_distance=50.0)


def test_order_of_a_constant_rdf():
    """g = 2: |g - 1| is 1 everywhere."""
    r = np.linspace(0.05, 9.95, 100)
    assert translational_order(RadialDistribution("S", "Li", r, np.full(100, 2.0)), 0.05) == pytest.approx(1.0)
