"""Reactions counted frame by frame: agreement with a table of all frames, and intervals of correlated atoms."""

import numpy as np
import pytest

from interphase_flows.analysis.speciation.reaction_counter import ReactionCounter
from interphase_flows.exceptions import AnalysisError
from label_histories import counted, events_of_table, lifetimes_of_table

LABELS = ("PS4", "PSx", "isolated P")


def table(seed: int, n_frames: int = 60, n_atoms: int = 12) -> np.ndarray:
    """Return labels that change at random, also to none, with flicker."""
    rng = np.random.default_rng(seed)
    codes = np.zeros((n_frames, n_atoms), dtype=int)
    for frame in range(1, n_frames):
        jumps = rng.random(n_atoms) < 0.1
        codes[frame] = np.where(jumps, rng.integers(-1, 3, n_atoms), codes[frame - 1])
    flickers = rng.random(codes.shape) < 0.05
    return np.where(flickers, rng.integers(-1, 3, codes.shape), codes)


@pytest.mark.parametrize("least_frames", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_counter_agrees_with_the_table_of_all_frames(seed, least_frames):
    codes = table(seed)
    times = np.cumsum(0.1 + np.random.default_rng(seed).random(len(codes)))
    counter = counted(times, codes, LABELS, least_frames)
    graph, (events, at_risk) = counter.graph(), events_of_table(times, codes, len(LABELS), least_frames)
    np.testing.assert_array_equal(graph.n_events, events)
    np.testing.assert_allclose(graph.at_risk_atom_ps, at_risk)
    assert events.sum() > 0
    lives, known = counter.lifetimes(), lifetimes_of_table(times, codes, LABELS, least_frames)
    assert set(lives) == set(known)
    for label, curve in known.items():
        np.testing.assert_allclose(lives[label].surviving_fraction.value, curve.surviving_fraction.value)
        assert lives[label].n_ended == curve.n_ended


def test_atom_without_persistent_label_is_not_at_risk():
    codes = np.array([[0, 1], [0, 2], [0, 1], [0, 2]])
    graph = counted(np.arange(4.0), codes, LABELS, 2).graph()
    assert graph.at_risk_atom_ps.tolist() == [3.0, 0.0, 0.0]
    assert graph.transitions() == []


def test_one_frame_and_decreasing_time_raise():
    counter = ReactionCounter(LABELS, 1)
    counter.add(1.0, np.zeros(1, dtype=int))
    with pytest.raises(AnalysisError, match="two are needed"):
        counter.graph()
    with pytest.raises(AnalysisError, match="increase"):
        counter.add(1.0, np.zeros(1, dtype=int))


def chain_of_anions(rng, n_anions, n_frames, step_ps, rate, atoms_each):
    """Return labels of anions whose ligands leave together, with flicker of single atoms."""
    times = step_ps * np.arange(n_frames)
    falls = np.repeat(rng.exponential(1 / rate, n_anions), atoms_each)
    codes = (times[:, None] >= falls).astype(int)
    codes[rng.random(codes.shape) < 0.01] = 2
    return times, codes


def test_intervals_cover_the_rate_of_anions_whose_atoms_leave_together():
    """Events of three ligands that leave together are worth one independent event."""
    rng, rate, atoms_each = np.random.default_rng(3), 0.02, 3
    inside = np.zeros(2)
    for _ in range(60):
        times, codes = chain_of_anions(rng, 30, 80, 0.5, rate, atoms_each)
        anions = np.repeat(np.arange(30), atoms_each)
        for k, groups in enumerate((None, anions)):
            counter = ReactionCounter(LABELS, codes.shape[1])
            for time, row in zip(times, codes, strict=True):
                counter.add(time, row, groups)
            found = {(t.before, t.after): t for t in counter.graph().transitions()}["PS4", "PSx"]
            inside[k] += found.rate_per_ps.lower <= rate <= found.rate_per_ps.upper
    apart, together = inside / 60
    assert apart < 0.85
    assert 0.90 <= together <= 1.0


def test_atoms_of_one_anion_widen_the_interval_of_its_lifetime():
    rng = np.random.default_rng(5)
    begins, lasts = rng.uniform(1, 20, 40), rng.exponential(10, 40)
    times = 0.5 * np.arange(200)
    age = times[:, None] - np.repeat(begins, 4)
    codes = np.where(age < 0, 0, np.where(age < np.repeat(lasts, 4), 1, 2))
    widths = []
    for anions in (None, np.repeat(np.arange(40), 4)):
        counter = ReactionCounter(LABELS, codes.shape[1])
        for time, row in zip(times, codes, strict=True):
            counter.add(time, row, anions)
        median = counter.lifetimes()["PSx"].median_ps
        assert median.lower <= median.value <= median.upper
        widths.append(median.upper - median.lower)
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.35)
