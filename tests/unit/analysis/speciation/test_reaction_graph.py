"""Reaction graphs and lifetimes of labels: debouncing, rates of known chains, independence of the implementation."""

import numpy as np
import pytest

from interphase_flows.analysis.speciation.reaction_graph import debounced, poisson_interval
from interphase_flows.exceptions import AnalysisError
from label_histories import counted

LABELS = ("PS4", "PSx", "isolated P")


def test_labels_of_too_few_frames_are_not_reactions():
    codes = np.array([[0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2]]).T
    np.testing.assert_array_equal(debounced(codes, 1), codes)
    np.testing.assert_array_equal(debounced(codes, 2)[:, 0], [0] * 7 + [1] * 3 + [2] * 3)
    np.testing.assert_array_equal(debounced([[1], [0], [0], [0]], 2)[:, 0], [0] * 4)
    np.testing.assert_array_equal(debounced([[1], [0], [1], [0]], 2)[:, 0], [-1] * 4)
    graph = counted(np.arange(13.0), codes, LABELS, 2).graph()
    assert [(t.before, t.after, t.n_events) for t in graph.transitions()] == [
        ("PS4", "PSx", 1),
        ("PSx", "isolated P", 1),
    ]
    np.testing.assert_allclose(graph.at_risk_atom_ps, [7, 3, 2])


def test_runs_of_equal_labels_do_not_extend_over_atoms():
    codes = np.array([[0, 1], [0, 1], [1, 0]])
    np.testing.assert_array_equal(debounced(codes, 2), [[0, 1], [0, 1], [0, 1]])


@pytest.mark.parametrize(("n", "expected"), [(0, (0.0, 3.689)), (5, (1.623, 11.668)), (20, (12.217, 30.888))])
def test_intervals_are_those_of_garwood(n, expected):
    assert poisson_interval(n) == pytest.approx(expected, abs=1e-3)


def chain(rng, n_atoms, n_frames, step_ps, rates):
    """PS4 -> PSx -> isolated P with exponential waiting times."""
    first = rng.exponential(1 / rates[0], n_atoms)
    second = first + rng.exponential(1 / rates[1], n_atoms)
    times = step_ps * np.arange(n_frames)
    return times, (times[:, None] >= first).astype(int) + (times[:, None] >= second)


def test_intervals_cover_the_rates_of_a_known_chain():
    rng = np.random.default_rng(7)
    rates = (0.02, 0.05)
    inside = np.zeros(2)
    for _ in range(200):
        times, codes = chain(rng, 40, 300, 0.1, rates)
        found = {(t.before, t.after): t for t in counted(times, codes, LABELS, 1).graph().transitions()}
        for k, pair in enumerate([("PS4", "PSx"), ("PSx", "isolated P")]):
            inside[k] += pair in found and found[pair].rate_per_ps.lower <= rates[k] <= found[pair].rate_per_ps.upper
    assert np.all((inside / 200 >= 0.90) & (inside / 200 <= 1.0))


def test_reaction_without_events_has_an_upper_bound():
    graph = counted(np.arange(5.0), np.zeros((5, 10), int), LABELS, 3).graph()
    assert graph.transitions() == []
    assert graph.upper_bound_per_ps("PS4", "PSx") == pytest.approx(3.689 / 40, rel=1e-3)
    assert graph.upper_bound_per_ps("PSx", "PS4") == float("inf")
    with pytest.raises(AnalysisError, match="no label"):
        graph.upper_bound_per_ps("PS4", "P2S7")


def test_median_lifetime_of_a_known_chain():
    times, codes = chain(np.random.default_rng(1), 400, 600, 0.5, (0.05, 0.1))
    curves = counted(times, codes, LABELS, 1).lifetimes()
    assert set(curves) == {"PSx", "isolated P"}
    assert curves["PSx"].median_ps.value == pytest.approx(np.log(2) / 0.1, rel=0.15)


def test_label_of_the_last_frame_only_has_no_survival_curve():
    codes = np.array([[0, 1, 1, 0, 2], [0, 1, 0, 0, 0]]).T
    assert set(counted(np.arange(5.0), codes, LABELS, 1).lifetimes()) == {"PS4", "PSx"}


def test_debouncing_over_no_frame_raises():
    with pytest.raises(AnalysisError, match="least_frames"):
        debounced(np.zeros((2, 1)), 0)
