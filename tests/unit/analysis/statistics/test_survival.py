"""Lifetimes of labels, censored by the end of the trajectory."""

import numpy as np
import pytest

from interphase_flows.analysis.statistics.survival import lifetimes, restricted_mean_ps, survival
from interphase_flows.exceptions import AnalysisError


def labels(*rows):
    """Return (n_frames, n_atoms) from one string per atom, x where it has the label."""
    return np.array([[letter == "x" for letter in row] for row in rows]).T


def test_lifetime_is_from_the_first_frame_to_the_first_without_the_label():
    lives = lifetimes(np.arange(8.0), labels("..xxx...", ".x.....x"))
    assert lives.duration_ps.tolist() == [3.0, 1.0, 0.0]
    assert lives.ended.tolist() == [True, True, False]
    assert lives.atom.tolist() == [0, 1, 1]


def test_labels_of_the_first_frame_are_left_out():
    lives = lifetimes(np.arange(6.0), labels("xxx...", "..xxxx"))
    assert lives.n_left_out == 1
    assert lives.duration_ps.tolist() == [3.0]
    assert lives.ended.tolist() == [False]


def test_short_interruptions_are_ignored():
    flickering = labels(".xx.xx.x....", ".xx......xx.")
    assert len(lifetimes(np.arange(12.0), flickering).duration_ps) == 5
    lives = lifetimes(np.arange(12.0), flickering, longest_gap_ps=1.0)
    assert lives.duration_ps.tolist() == [7.0, 2.0, 2.0]
    assert lives.ended.tolist() == [True, True, False]  # the last may come back within the gap


def test_survival_curve_agrees_with_kaplan_meier_by_hand():
    """Ages 1, 2, 3 ended, 2 and 4 still alive: 4/5, 4/5 x 3/4, 4/5 x 3/4 x 1/2."""
    lives = lifetimes(
        np.arange(12.0),
        labels(".x..........", ".xx.........", ".xxx........", ".........xxx", ".......xxxxx"),
    )
    curve = survival(lives)
    assert curve.age_ps.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    np.testing.assert_allclose(curve.surviving_fraction.value, [1.0, 0.8, 0.6, 0.3, 0.3])
    assert (curve.n_stretches, curve.n_ended) == (5, 3)
    assert (curve.surviving_fraction.lower <= curve.surviving_fraction.value).all()
    assert (curve.surviving_fraction.upper >= curve.surviving_fraction.value).all()
    assert curve.median_ps.value == 3.0
    assert curve.median_ps.lower <= 3.0 < curve.median_ps.upper
    assert restricted_mean_ps(curve, 3.5) == pytest.approx(1.0 + 0.8 + 0.6 + 0.5 * 0.3)


def test_median_longer_than_the_trajectory_is_infinite():
    curve = survival(lifetimes(np.arange(9.0), labels(".xxxxxxxx", ".xxx.....", "...xxxxxx")))
    assert np.isinf(curve.median_ps.value)


def test_trajectory_without_beginning_labels_raises():
    with pytest.raises(AnalysisError, match="no label begins"):
        lifetimes(np.arange(3.0), labels("xx."))
    with pytest.raises(AnalysisError, match="n_frames, n_atoms"):
        lifetimes(np.arange(3.0), labels("xx.x"))
    with pytest.raises(AnalysisError, match="every label begins in the last frame"):
        survival(lifetimes(np.arange(3.0), labels("..x")))
