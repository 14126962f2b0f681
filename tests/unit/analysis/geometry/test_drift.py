"""Drift of the centre of mass, in trajectories with moving boundaries."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.drift import CommonDrift, WithoutDrift
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.slices import heights
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import crossings_of, passed_of
from interphase_flows.analysis.profiles.composition import composition_profile

CELL = np.diag([10.0, 10.0, 60.0])
N_FRAMES, FIRST_FRAME = 8, 3


def drifting(drift_per_frame_angstrom: float) -> ArrayFrames:
    """Lithium below, sulfur above; one Li moves from 9 to 11 Å between frames 4 and 6, and all atoms drift."""
    z = np.repeat(np.linspace(1.0, 55.0, 100), 4)
    numbers = np.where(z < 30, 3, 16)
    positions = np.tile(np.column_stack([np.zeros((len(z), 2)), z]), (N_FRAMES, 1, 1))
    numbers, positions = np.append(numbers, 3), np.append(positions, np.zeros((N_FRAMES, 1, 3)), axis=1)
    positions[:, -1, 2] = [9, 9, 9, 9, 9, 10.2, 11, 11]
    positions[:, :, 2] += drift_per_frame_angstrom * np.arange(N_FRAMES)[:, None]
    return ArrayFrames(numbers, 1000.0 * np.arange(N_FRAMES), positions, CELL)


def test_drift_is_that_of_the_centre_of_mass():
    frames = drifting(1.5)
    common = CommonDrift(frames.numbers, frames.positions(0), CELL)
    found = [60.0 * common.of(heights(frames.positions(i), CELL)) for i in range(N_FRAMES)]
    assert found == pytest.approx(1.5 * np.arange(N_FRAMES), abs=0.01)


@pytest.mark.parametrize("drift_per_frame_angstrom", [0.0, 1.5])
def test_crossings_are_counted_at_the_boundary_despite_drift(drift_per_frame_angstrom):
    n = np.ones(N_FRAMES - FIRST_FRAME)
    late = Interface("above", FIRST_FRAME, n.astype(bool), np.arange(float(len(n))), 20 * n, 10 * n, 30.2 * n, {})
    passed = passed_of(late, crossings_of(drifting(drift_per_frame_angstrom), late))
    assert passed["Li at electrode side"][-1] == pytest.approx(1.0)
    assert passed["Li at electrolyte side"][-1] == 0.0


def test_profile_between_boundaries_is_independent_of_drift():
    skew = np.array([[10.0, 0, 0], [0, 10.0, 0], [3.0, 2.0, 60.0]])
    still, moving = (
        ArrayFrames(each.numbers, each.time_fs, each.all_positions, skew) for each in (drifting(0.0), drifting(4.0))
    )
    found = [composition_profile(WithoutDrift(each), bin_width_angstrom=3.0) for each in (still, moving)]
    one, other = (each.mean_over(slice(None)) for each in found)
    np.testing.assert_allclose(other, one, atol=0.05 * one.max())
    smeared = composition_profile(moving, bin_width_angstrom=3.0).mean_over(slice(None))
    assert np.abs(smeared - one).max() > 0.3 * one.max()
