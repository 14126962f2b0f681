"""Cost model of labels: its prior and its update by finished labels."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.costs.model import (
    LabelCostModel,
    LabelSize,
    format_duration,
    label_size,
    n_valence_electrons,
    pack_by_cost,
    typical_size,
)
from interphase_flows.reference.spec import ChgnetSpec, GpawSpec, VaspSpec
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import repeated

MEASURED = [("Li3P", 8, 7.0), ("Li2S", 12, 9.0), ("Li7P3S11", 42, 54.0)]


@pytest.mark.parametrize(("name", "n_atoms", "measured_s"), MEASURED)
def test_prior_agrees_with_measured_gpaw_times_within_its_uncertainty(name, n_atoms, measured_s):
    """Crystals have fewer k-points than the cells that are labelled."""
    crystal = repeated(load_phase(name), n_atoms)
    expected = LabelCostModel("gpaw").estimate([label_size(GpawSpec(gamma_above_atoms=40), crystal)])
    assert len(crystal) == n_atoms
    assert expected.cost_s / expected.factor**2 < measured_s < expected.cost_s * expected.factor**2


def test_label_size_counts_valence_electrons_and_reduced_k_points():
    """Li2S, 4 x 4 x 4 with Gamma: 32 electrons, (64 + 8) / 2 points; Gamma alone in large cells."""
    cubic = Atoms("Li8S4", positions=np.random.default_rng(1).random((12, 3)), cell=[5.7] * 3, pbc=True)
    assert label_size(GpawSpec(), cubic) == LabelSize(12, 32.0, 36)
    assert label_size(GpawSpec(gamma_above_atoms=12), cubic).n_k_points == 1
    assert label_size(ChgnetSpec(), cubic).n_k_points == 1
    assert typical_size(GpawSpec(gamma_above_atoms=40), "Li14P6S22") == LabelSize(42, 176.0, 1)


def test_k_points_of_black_phosphorus_are_reduced_by_time_reversal():
    """6 x 5 x 6 points: (180 + 4) / 2, for GPAW and VASP."""
    phosphorus = load_phase("P")
    assert label_size(GpawSpec(), phosphorus).n_k_points == label_size(VaspSpec(), phosphorus).n_k_points == 92


@pytest.mark.parametrize(
    ("symbol", "n"), [("H", 1), ("Li", 1), ("P", 5), ("S", 6), ("Fe", 8), ("Br", 7), ("La", 3), ("Pb", 4)]
)
def test_valence_electrons_exclude_noble_gas_core_and_full_d_and_f_shells(symbol, n):
    assert n_valence_electrons(symbol) == n


def synthetic_labels(n: int, seed: int = 1) -> tuple[list[LabelSize], list[float]]:
    """Return sizes and times of labels with other powers than the prior, and a scatter of 10 %."""
    rng = np.random.default_rng(seed)
    sizes = [
        LabelSize(int(a), float(a * e), int(k))
        for a, e, k in zip(rng.integers(8, 90, n), rng.uniform(1, 5, n), rng.integers(1, 40, n), strict=True)
    ]
    times = [
        0.5 * (s.n_atoms / 40) ** 1.8 * (s.n_electrons / 160) ** 1.1 * s.n_k_points**0.9 * rng.lognormal(0, 0.1)
        for s in sizes
    ]
    return sizes, times


def test_two_hundred_labels_outweigh_the_prior():
    """The times come from a machine a hundred times faster than that of the prior."""
    sizes, times = synthetic_labels(400)
    model = LabelCostModel("gpaw", sizes[:200], times[:200])
    expected = model.estimate(sizes[200:])
    assert expected.cost_s == pytest.approx(sum(times[200:]), rel=0.1)
    assert expected.factor < 1.3
    assert model.n_labels == 200


def test_uncertainty_decreases_with_the_number_of_labels():
    sizes, times = synthetic_labels(60)
    factors = []
    for n in (0, 5, 20, 50):
        expected = LabelCostModel("gpaw", sizes[:n], times[:n]).estimate(sizes[50:])
        factors.append(expected.factor)
        if n:
            assert abs(np.log(expected.cost_s / sum(times[50:]))) < 3 * np.log(expected.factor)
    assert factors == sorted(factors, reverse=True)


def test_cost_scales_with_cutoff_to_the_power_1_5():
    size = LabelSize(42, 176.0, 1)
    ratio = LabelCostModel("gpaw", cutoff_eV=700.0).estimate_s(size) / LabelCostModel("gpaw").estimate_s(size)
    assert ratio == pytest.approx(2**1.5)


def test_no_labels_cost_nothing_with_certainty():
    expected = LabelCostModel("chgnet").estimate([])
    assert (expected.cost_s, expected.factor) == (0.0, 1.0)


def test_cheap_labels_share_a_job_and_expensive_ones_have_their_own():
    costs = [30.0, 1.0, 6.0, 2.0, 1.0, 1.0, 50.0]
    assert pack_by_cost(costs, 10.0, 3) == [[1, 4, 5], [3, 2], [0], [6]]
    assert pack_by_cost(costs, 1e9, 100) == [[1, 4, 5, 3, 2, 0, 6]]
    assert pack_by_cost([], 10.0, 3) == []


def test_durations_are_formatted_with_a_suitable_unit():
    durations = [format_duration(s) for s in (0.2, 1.4, 119.0, 600.0, 7200.0, 1e6)]
    assert durations == ["< 1 s", "1 s", "119 s", "10 min", "2 h", "12 days"]
