"""Labels against height and time, and the composition of an interphase."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.slices import heights
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.layers import Heights
from interphase_flows.analysis.phases.phase_map import PhaseMap, mean_with_interval

CELL = np.diag([10.0, 10.0, 40.0])
NAMES = ("metal", "amorphous", "electrolyte")


def cell_of_layers(drift_angstrom: float = 0.0):
    """Metal below 10 Å, amorphous to 20 Å, electrolyte above: 4 atoms for each Å, anions from 10 Å on."""
    z = np.repeat(np.arange(40) + 0.5, 4)
    positions = np.column_stack([np.zeros((160, 2)), z + drift_angstrom])
    codes = np.where(z < 10, 0, np.where(z < 20, 1, 2))
    return positions, codes, z >= 10


def filled(n_frames: int = 12, drift_per_frame: float = 0.0) -> PhaseMap:
    n = np.ones(n_frames)
    drift = drift_per_frame * np.arange(n_frames)
    # boundaries are found in the frame of all atoms, which drift with the cell
    interface = Interface("above", 0, n.astype(bool), np.arange(float(n_frames)), 10 * n, 10 * n, 25 * n, {})
    found = PhaseMap(NAMES, CELL, [interface])
    first, _, anions = cell_of_layers()
    place = Heights(anions, first, CELL)
    for frame in range(n_frames):
        positions, codes, _ = cell_of_layers(drift[frame])
        zero = place.zero(positions, CELL)
        along = heights(positions, CELL)
        found.add(frame, float(frame), along, codes, zero=zero, period_angstrom=40.0, drift=drift[frame] / 40.0)
    return found


def test_labels_between_the_boundaries_are_those_of_the_interphase():
    side = filled().values().sides["above"]
    assert side.n_atoms == 60
    assert side.shares["amorphous"].value == pytest.approx(2 / 3)
    assert side.shares["electrolyte"].value == pytest.approx(1 / 3)
    assert "metal" not in side.shares


def test_map_is_invariant_under_drift():
    at_rest, moving = filled().arrays(), filled(drift_per_frame=1.3).arrays()
    np.testing.assert_array_equal(moving["phases.map_atoms"][0], at_rest["phases.map_atoms"][0])
    assert np.abs(moving["phases.map_atoms"] - at_rest["phases.map_atoms"]).max() <= 4  # a plane near an edge
    ends = moving["phases.interphase_above_angstrom"]
    np.testing.assert_allclose(ends, np.broadcast_to(ends[0], ends.shape), atol=1e-9)
    assert at_rest["phases.map_atoms"].sum() == 12 * 160


def test_side_without_boundaries_is_unavailable():
    empty = Interface("below", 50, np.ones(1, bool), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), {})
    found = PhaseMap(NAMES, CELL, [empty])
    positions, codes, _ = cell_of_layers()
    found.add(0, 0.0, heights(positions, CELL), codes, zero=0.0, period_angstrom=40.0, drift=0.0)
    values = found.values()
    assert "no labelled frame" in values.sides["below"].reason
    assert values.entire_cell.shares["electrolyte"].value == 0.5


def test_interval_of_a_share_is_within_0_and_1():
    rng = np.random.default_rng(1)
    series = np.clip(0.05 + 0.05 * rng.standard_normal(60), 0, 1)
    found = mean_with_interval(series)
    assert 0 <= found.lower < series.mean() < found.upper <= 1
    assert found.upper - found.lower < 0.1
    assert np.isnan(mean_with_interval(series[:3]).lower)


@pytest.mark.parametrize("n_frames", [6, 20])
def test_intervals_of_few_correlated_frames_cover_the_mean(n_frames):
    """Neighbouring frames have a correlation of one half."""
    rng, inside = np.random.default_rng(2), 0
    for _ in range(300):
        noise = rng.standard_normal(n_frames + 30)
        for i in range(1, len(noise)):
            noise[i] += 0.5 * noise[i - 1]
        found = mean_with_interval(0.5 + 0.02 * noise[30:])
        inside += found.lower <= 0.5 <= found.upper
    assert 0.90 <= inside / 300 <= 0.99
