"""Counting frame by frame says what the whole table says."""

import numpy as np
import pytest

from interphase_flows.analysis.phases.label_lifetimes import label_lifetimes
from interphase_flows.analysis.phases.reaction_counter import ReactionCounter
from interphase_flows.analysis.phases.reaction_graph import reaction_graph
from interphase_flows.exceptions import AnalysisError

LABELS = ("PS4", "PSx", "isolated P")


def table(seed: int, n_frames: int = 60, n_atoms: int = 12) -> np.ndarray:
    """Labels that jump now and then, with flicker."""
    rng = np.random.default_rng(seed)
    codes = np.zeros((n_frames, n_atoms), dtype=int)
    for frame in range(1, n_frames):
        jumps = rng.random(n_atoms) < 0.1
        codes[frame] = np.where(jumps, rng.integers(0, 3, n_atoms), codes[frame - 1])
    flickers = rng.random(codes.shape) < 0.05
    return np.where(flickers, rng.integers(0, 3, codes.shape), codes)


def counted(times, codes, least_frames):
    counter = ReactionCounter(LABELS, codes.shape[1], least_frames)
    for time, row in zip(times, codes, strict=True):
        counter.add(time, row)
    return counter


@pytest.mark.parametrize("least_frames", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_counting_frame_by_frame_is_counting_the_table(seed, least_frames):
    codes = table(seed)
    times = np.cumsum(0.1 + np.random.default_rng(seed).random(len(codes)))
    counter = counted(times, codes, least_frames)
    graph, expected = counter.graph(), reaction_graph(times, codes, LABELS, least_frames=least_frames)
    np.testing.assert_array_equal(graph.n_events, expected.n_events)
    np.testing.assert_allclose(graph.at_risk_atom_ps, expected.at_risk_atom_ps)
    assert expected.n_events.sum() > 0
    lives, known = counter.lifetimes(), label_lifetimes(times, codes, LABELS, least_frames=least_frames)
    assert set(lives) == set(known)
    for label, curve in known.items():
        np.testing.assert_allclose(lives[label].surviving_share, curve.surviving_share)
        assert lives[label].n_ended == curve.n_ended


def test_an_atom_that_never_settles_is_not_at_risk():
    codes = np.array([[0, 1], [0, 2], [0, 1], [0, 2]])
    graph = counted(np.arange(4.0), codes, 2).graph()
    assert graph.at_risk_atom_ps.tolist() == [3.0, 0.0, 0.0]
    assert graph.transitions() == []


def test_one_frame_and_time_that_goes_back_are_refused():
    counter = ReactionCounter(LABELS, 1)
    counter.add(1.0, np.zeros(1, dtype=int))
    with pytest.raises(AnalysisError, match="two are needed"):
        counter.graph()
    with pytest.raises(AnalysisError, match="increase"):
        counter.add(1.0, np.zeros(1, dtype=int))
