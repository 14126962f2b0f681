"""Transport against time and depth."""

import numpy as np
import pytest

from brownian import TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport import OnsagerResult, onsager_matrix, onsager_slabs, onsager_windows
from interphase_flows.exceptions import AnalysisError

TALL = np.array([[12.0, 0.0, 0.0], [3.0, 12.0, 0.0], [-2.0, 4.0, 80.0]])


def layered(seed, n_frames=900):
    """Lithium and sulfur everywhere, four times as fast in the plane as along the normal, slower above."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat([3, 16], [60, 40])
    fractions = rng.random((100, 3))
    lower = fractions[:, 2] < 0.5
    rate = np.where(lower, 0.02, 0.002)
    steps = rng.normal(size=(n_frames, 100, 3)) * np.sqrt(2 * rate)[None, :, None]
    steps[:, :, 2] /= 2
    steps[0] = fractions @ TALL
    return ArrayFrames(numbers, 1000.0 * np.arange(n_frames), np.cumsum(steps, axis=0), TALL), lower


def test_windows_equal_separate_analyses_of_their_frames():
    frames = Brownian().frames(np.random.default_rng(0), 650)
    windows = onsager_windows(frames, window_ps=200.0, temperature_K=600)
    assert [(w.start_ps, w.end_ps) for w in windows] == [(0, 200), (200, 400), (400, 600)]
    for i, window in enumerate(windows):
        alone = onsager_matrix(frames, temperature_K=600, first_frame=200 * i, end_frame=200 * (i + 1))
        np.testing.assert_array_equal(window.result.onsager.value, alone.onsager.value)


def test_too_short_windows_are_unavailable_with_a_reason():
    frames = Brownian().frames(np.random.default_rng(1), 100)
    windows = onsager_windows(frames, window_ps=30.0, temperature_K=600)
    assert len(windows) == 3
    assert all("supports no transport coefficient" in w.result.reason for w in windows)
    with pytest.raises(AnalysisError, match=r"no window of 500 ps fits into a trajectory of 99 ps"):
        onsager_windows(frames, window_ps=500.0, temperature_K=600)


def test_a_gap_or_cell_drift_only_affects_its_own_window():
    full = Brownian().frames(np.random.default_rng(0), 801)
    times, cells = full.time_fs.copy(), np.tile(full.cells, (801, 1, 1))
    kept = np.delete(np.arange(801), np.arange(250, 260))  # frames that were lost in the second window
    cells[700:, :, :2] *= 1.06
    frames = ArrayFrames(full.numbers, times[kept], full.all_positions[kept], cells[kept])
    windows = onsager_windows(frames, window_ps=200.0, temperature_K=600)
    assert [isinstance(w.result, Unavailable) for w in windows] == [False, True, False, True]
    assert "equally spaced" in windows[1].result.reason
    assert "the cell drifts by" in windows[3].result.reason
    assert "shorter windows" in windows[3].result.hint


def test_slabs_have_separate_in_plane_and_normal_coefficients():
    """Slabs ten times apart, axes four times."""
    frames, lower = layered(2)
    slabs = onsager_slabs(frames, window_ps=899.0, n_slabs=2, temperature_K=600)
    assert [s.n_atoms for s in slabs] == [lower.sum(), (~lower).sum()]
    assert slabs[1].upper_angstrom == pytest.approx(80.0)
    assert all(s.in_plane.volume_angstrom3 == pytest.approx(12 * 12 * 40) for s in slabs)
    for slab, rate in zip(slabs, (0.02, 0.002), strict=True):
        for result, expected in ((slab.in_plane, rate), (slab.normal, rate / 4)):
            found = result.self_diffusion_angstrom2_per_ps
            masses = np.array([6.94, 32.06])
            shares = masses / (result.n_atoms @ masses)
            about_barycentre = expected * (1 - 2 * shares + result.n_atoms @ shares**2)
            assert (np.abs(found.value - about_barycentre) < 3 * found.standard_error).all()
            assert (found.standard_error < 0.1 * found.value).all()
            null = masses @ result.onsager.value
            assert np.abs(null).max() <= 1e-10 * np.abs(result.onsager.value).max()
    assert 0.5 < slabs[0].fraction_staying <= 1.0
    assert slabs[1].fraction_staying >= slabs[0].fraction_staying


def test_atoms_stay_assigned_to_their_initial_slab():
    """The barycentre of each slab moves as that of the atoms it began with."""
    frames, lower = layered(3, n_frames=300)
    last = frames.all_positions[-2] - frames.all_positions[0]
    slabs = onsager_slabs(frames, window_ps=299.0, n_slabs=2, temperature_K=600)
    for slab, inside in zip(slabs, (lower, ~lower), strict=True):
        drift = slab.in_plane.frame_drift_angstrom_per_ps * 298.0
        mean = np.average(last[inside], axis=0, weights=np.where(frames.numbers[inside] == 3, 6.94, 32.06))
        np.testing.assert_allclose(drift, slab.in_plane.axes @ mean, atol=1e-9)


def test_slabs_follow_the_drift_of_the_reference():
    """A drift of everything by a third of the cell, with the sulfur as reference."""
    rng = np.random.default_rng(4)
    fractions = rng.random((60, 3))
    numbers = np.where(fractions[:, 2] < 0.5, 16, 3)
    drift = np.linspace(0, 0.3, 200)[:, None, None] * np.array([0, 0, 1.0])
    positions = (fractions + drift) @ TALL + rng.normal(0, 0.01, (200, 60, 3))
    frames = ArrayFrames(numbers, 1000.0 * np.arange(200), positions, TALL)
    settings = {"window_ps": 100.0, "n_slabs": 2, "temperature_K": 600.0}
    moving = onsager_slabs(frames, reference=numbers == 16, **settings)
    fixed = onsager_slabs(frames, **settings)
    assert min(s.fraction_staying for s in moving) > 0.9
    assert min(s.fraction_staying for s in fixed) < 0.9
    with pytest.raises(AnalysisError, match="selects no atom"):
        onsager_slabs(frames, reference=numbers == 17, **settings)


def test_slabs_without_the_requested_species_are_unavailable():
    fractions = np.random.default_rng(5).random((40, 3)) * [1, 1, 0.4]
    positions = fractions @ TRICLINIC + np.random.default_rng(6).normal(0, 0.1, (300, 40, 3)).cumsum(axis=0) * 0.1
    numbers = np.repeat([3, 16], 20)
    frames = ArrayFrames(numbers, 1000.0 * np.arange(300), positions, TRICLINIC)
    slabs = onsager_slabs(frames, window_ps=299.0, n_slabs=2, temperature_K=600)
    assert isinstance(slabs[0].normal, OnsagerResult)
    assert slabs[1].n_atoms == 0
    assert np.isnan(slabs[1].fraction_staying)
    assert slabs[1].normal.reason == "no atom was in this slab when the window began"
    absent = onsager_slabs(frames, window_ps=299.0, n_slabs=1, temperature_K=600, species=["P"])
    assert absent[0].in_plane.reason == "no atom of P was in this slab when the window began"
