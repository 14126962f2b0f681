"""Mean squared displacement."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from interphase_flows.exceptions import AnalysisError

CELL = np.eye(3) * 50.0


def test_a_common_drift_is_no_displacement():
    start = np.random.default_rng(0).random((30, 3)) * 50
    positions = start + np.arange(5)[:, None, None] * np.array([1.0, -2.0, 0.5])
    numbers = np.repeat([3, 15, 16], 10)
    series = mean_squared_displacement(ArrayFrames(numbers, np.arange(5) * 500.0, positions, CELL))
    np.testing.assert_allclose(series.msd_angstrom2, 0.0, atol=1e-20)
    np.testing.assert_allclose(series.drift_angstrom[-1], [4.0, -8.0, 2.0])
    np.testing.assert_allclose(series.time_ps, [0, 0.5, 1.0, 1.5, 2.0])


def test_a_random_walk_grows_as_three_times_its_steps():
    """<|r|²> = 3 sigma² n; 4000 walkers bring the standard error below 2 %."""
    steps = np.random.default_rng(2).normal(0, 0.1, (100, 4000, 3))
    steps[0] = 0
    frames = ArrayFrames(np.full(4000, 3), np.arange(100.0), np.cumsum(steps, axis=0), CELL)
    msd = mean_squared_displacement(frames).msd_angstrom2[:, 0]
    np.testing.assert_allclose(msd[1:], 0.03 * np.arange(1, 100), rtol=0.08)
    assert np.sqrt(msd[-1]) == pytest.approx(np.sqrt(2.97), rel=0.04)


def test_species_are_kept_apart():
    numbers = np.array([3, 16, 16])
    positions = np.zeros((2, 3, 3))
    positions[1, 0, 0] = 3.0
    series = mean_squared_displacement(ArrayFrames(numbers, np.arange(2.0), positions, CELL))
    assert series.species == ("Li", "S")
    assert series.msd_angstrom2[1, 0] > series.msd_angstrom2[1, 1]


def test_a_species_that_is_not_there_is_named():
    frames = ArrayFrames(np.array([3]), np.zeros(1), np.zeros((1, 1, 3)), CELL)
    with pytest.raises(AnalysisError, match="no atom of P in the trajectory, which holds Li"):
        mean_squared_displacement(frames, species=["P"])
