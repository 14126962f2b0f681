"""Strategies on learned features: known answers with features that the test chooses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interphase_flows.datasets.selection.environment_coverage import _greedy
from interphase_flows.datasets.selection.features import standardised_features
from interphase_flows.datasets.selection.registry import selection_strategy
from interphase_flows.datasets.selection.strategy import CandidatePool
from interphase_flows.exceptions import InputError

FEATURE_STRATEGIES = ["feature_farthest_point", "largest_cluster", "environment_coverage"]


def structure(symbols: str, features: Sequence[float], std: Sequence[float] | None = None) -> Atoms:
    """Return a structure whose atoms have one feature each."""
    atoms = Atoms(symbols, positions=3.0 * np.arange(len(features))[:, None] * np.ones(3), cell=[90, 90, 90], pbc=True)
    atoms.set_array("feature", np.array(features, dtype=float))
    if std is not None:
        atoms.set_array("force_std_eV_per_angstrom", np.array(std, dtype=float))
    return atoms


def pool_of(frames: Sequence[Atoms], training: Sequence[Atoms]) -> CandidatePool:
    uncertainty = [frame.arrays.get("force_std_eV_per_angstrom", np.ones(1)).max() for frame in frames]
    return CandidatePool(
        frames,
        np.array(uncertainty),
        training,
        ["Li", "S"],
        lambda chosen: [frame.arrays["feature"][:, None].copy() for frame in chosen],
    )


@pytest.mark.parametrize("name", FEATURE_STRATEGIES)
def test_pool_without_features_raises(name):
    pool = replace(pool_of([structure("Li", [1.0])], [structure("Li", [0.0])]), features=None)
    with pytest.raises(InputError, match=r"Hint: give SelectMaker\.make the committee"):
        selection_strategy(name)(pool, 1, seed=0)


def test_features_are_standardised_by_element_of_the_training_set():
    pool = pool_of([structure("Li2S", [10.0, 14.0, 5.0])], [structure("Li2S2", [10.0, 14.0, 1.0, 2.0])])
    (candidate,), (known,) = standardised_features(pool)
    np.testing.assert_allclose(candidate[:, 0], [-1.0, 1.0, 7.0])
    np.testing.assert_allclose(known[:, 0], [-1.0, 1.0, -1.0, 1.0])


def test_elements_that_no_training_frame_has_are_standardised_by_the_candidates():
    pool = pool_of([structure("LiS2", [10.0, 3.0, 7.0])], [structure("Li2", [8.0, 12.0])])
    (candidate,), _ = standardised_features(pool)
    np.testing.assert_allclose(candidate[:, 0], [0.0, -1.0, 1.0])
    assert selection_strategy("environment_coverage")(pool, 1, seed=0).indices == [0]


def test_rare_uncertain_environment_wins_over_many_known_ones():
    """One new atom among 20 known ones; averages over atoms see the one whose atoms are all shifted."""
    training = [structure("Li20", np.linspace(-1, 1, 20))]
    one_new = structure("Li20", [*np.linspace(-1, 1, 19), 9.0], [*[0.01] * 19, 1.0])
    shifted = structure("Li20", np.linspace(-0.4, 1.6, 20), [0.1] * 20)
    pool = pool_of([shifted, one_new], training)
    assert selection_strategy("environment_coverage")(pool, 1, seed=0).indices == [1]
    assert selection_strategy("largest_cluster")(pool, 1, seed=0).indices == [0]


def test_environment_that_a_selected_structure_has_is_not_selected_again():
    """Three copies of the most uncertain environment, and a less uncertain one of another kind."""
    training = [structure("Li4", [-1.0, -0.5, 0.5, 1.0])]
    copies = [structure("Li", [9.0], [1.0]) for _ in range(3)]
    pool = pool_of([*copies, structure("Li", [-8.0], [0.3])], training)
    for name in FEATURE_STRATEGIES:
        assert selection_strategy(name)(pool, 2, seed=0).indices == [0, 3]
    assert selection_strategy("uncertainty")(pool, 2, seed=0).indices == [0, 1]


def test_environments_of_another_element_do_not_cover():
    training = [structure("Li2S2", [-1.0, 1.0, -1.0, 1.0])]
    lithium, sulfur = structure("Li", [5.0], [1.0]), structure("S", [5.0], [0.5])
    assert selection_strategy("environment_coverage")(pool_of([lithium, sulfur], training), 2, seed=0).indices == [0, 1]


def test_each_region_has_environments_to_cover():
    """600 uncertain atoms of the electrode; the uncertain atom of the electrolyte is not left out of the targets."""
    training = [structure("Li4", [-1.0, -0.5, 0.5, 1.0])]
    electrode = structure("Li600", np.linspace(5.0, 6.0, 600), [1.0] * 600)
    electrode.set_array("side", np.zeros(600, dtype=int))
    electrolyte = structure("Li", [-40.0], [0.9])
    electrolyte.set_array("side", np.ones(1, dtype=int))
    pool = pool_of([electrode, electrolyte], training)
    assert selection_strategy("environment_coverage")(pool, 2, seed=0).indices == [0, 1]


def test_largest_cluster_selects_in_the_dense_region_first():
    """Five candidates near one training frame have a larger sum of squares than the farthest one near the other."""
    training = [structure("Li", [0.0]), structure("Li", [100.0])]
    many = [structure("Li", [value]) for value in (10.0, 11.0, 12.0, 13.0, 14.0)]
    pool = pool_of([*many, structure("Li", [116.0])], training)
    assert selection_strategy("largest_cluster")(pool, 2, seed=0).indices == [4, 5]
    assert selection_strategy("feature_farthest_point")(pool, 1, seed=0).indices == [5]


@given(coverage=arrays(float, (6, 5), elements=st.floats(0, 1)), weights=arrays(float, 6, elements=st.floats(0.01, 1)))
def test_greedy_coverage_is_within_the_known_bound_of_the_best_pair(coverage, weights):
    indices, share = _greedy(coverage, np.zeros(6), weights, 2)
    best = max(weights @ np.maximum(coverage[:, i], coverage[:, j]) for i in range(5) for j in range(5))
    reached = weights @ np.max(coverage[:, indices], axis=1, initial=0.0)
    assert reached >= (1 - (1 - 1 / 2) ** 2) * best - 1e-12
    assert share == pytest.approx(reached / weights.sum())
