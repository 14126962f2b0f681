"""Crossings of static and moving planes by atoms."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.plane_flux import crossings
from interphase_flows.exceptions import AnalysisError

CELL = np.array([[6.0, 0.0, 0.0], [2.0, 5.0, 0.0], [-3.0, 4.0, 20.0]])  # 30 Å² by 20 Å


def frames_at(heights, numbers, cell=CELL):
    """Return atoms at heights above the lower face, (n_frames, n_atoms), one frame per ps."""
    heights = np.asarray(heights, dtype=float)
    fractions = np.zeros((*heights.shape, 3))
    fractions[..., 2] = heights / 20.0
    return ArrayFrames(np.array(numbers), 1000.0 * np.arange(len(heights)), fractions @ cell, cell)


def test_crossings_up_and_down_count_plus_and_minus_one():
    found = crossings(frames_at([[9.0], [11.0], [9.5]], [3]), {"middle": 10.0})
    np.testing.assert_array_equal(found.by_atoms[:, 0, 0], [1.0, -1.0])
    np.testing.assert_array_equal(found.by_sweep, 0.0)


def test_moving_plane_sweeps_over_a_static_atom():
    """The plane rises past the atom: minus one by the plane, none by the atom."""
    found = crossings(frames_at([[10.0], [10.0]], [3]), {"boundary": [9.0, 11.0]})
    np.testing.assert_array_equal(found.by_sweep, [[[-1.0]]])
    np.testing.assert_array_equal(found.by_atoms, [[[0.0]]])


def test_atom_moving_with_the_plane_does_not_cross():
    """The contributions of atom and plane cancel, averaged over both orders."""
    found = crossings(frames_at([[10.5], [12.5]], [3]), {"boundary": [10.0, 12.0]})
    assert found.net_atoms[0, 0, 0] == 0.0
    outrun = crossings(frames_at([[9.5], [12.5]], [3]), {"boundary": [10.0, 12.0]})
    assert outrun.net_atoms[0, 0, 0] == 1.0
    assert outrun.by_atoms[0, 0, 0] == 1.0


def test_flux_through_static_and_moving_planes():
    rising = 5.0 + np.arange(11.0)[:, None]  # from 5 to 15 Å within 10 ps
    frames = frames_at(np.hstack([rising, np.full_like(rising, 2.0)]), [3, 16])
    static = crossings(frames, {"plane": 10.2})
    assert static.mean_flux_atoms_per_nm2_ps("plane") == {"Li": pytest.approx(1 / 0.3 / 10), "S": 0.0}
    np.testing.assert_allclose(static.area_nm2, 0.3)
    moving = crossings(frames, {"boundary": 6.0 + 1.2 * np.arange(11.0)})  # outruns the atom
    assert moving.mean_flux_atoms_per_nm2_ps("boundary")["Li"] == 0.0
    assert moving.mean_flux_atoms_per_nm2_ps("boundary", static=True)["Li"] > 0


def test_atoms_between_planes_change_by_the_crossings():
    frames = frames_at([[9.0, 13.0, 16.0], [11.0, 13.0, 14.0], [11.0, 16.0, 14.0]], [3, 3, 3])
    found = crossings(frames, {"electrode": 10.0, "electrolyte": 15.0})
    np.testing.assert_array_equal(found.atoms_between[:, 0, 0], [1, 3, 2])
    assert found.conservation_error_atoms == 0.0


def test_atom_around_the_periodic_cell_crosses_every_plane_once():
    heights = np.linspace(1.0, 21.0, 8)[:, None]
    found = crossings(frames_at(heights, [3]), {"low": 4.0, "high": 17.0})
    np.testing.assert_array_equal(found.net_atoms.sum(axis=0)[:, 0], [1.0, 1.0])


def test_groups_are_tracked_and_drift_of_the_reference_is_removed():
    heights = np.array([[9.0, 11.0, 3.0], [12.0, 14.0, 6.0]])  # all rise by 3 Å
    frames = frames_at(heights, [3, 3, 16])
    tracked = {"first lithium": np.array([True, False, False])}
    assert crossings(frames, {"plane": 10.0}, groups=tracked).net_atoms.sum() == 1.0
    drifting = crossings(frames, {"plane": 10.0}, groups=tracked, reference=frames.numbers == 16)
    assert drifting.net_atoms.sum() == 0.0
    by_mass = crossings(frames, {"plane": 10.0}, reference=np.array([7.0, 7.0, 32.0]))
    assert by_mass.net_atoms.sum() == 0.0


def test_cumulative_crossings_begin_with_zero():
    found = crossings(frames_at([[9.0], [11.0], [11.0]], [3]), {"plane": 10.0})
    np.testing.assert_allclose(found.cumulative_atoms_per_nm2("plane")["Li"], [0.0, 1 / 0.3, 1 / 0.3])
    with pytest.raises(AnalysisError, match="no plane 'top'"):
        found.cumulative_atoms_per_nm2("top")


@pytest.mark.parametrize(
    ("planes", "options", "message"),
    [
        ({}, {}, "no planes"),
        ({"a": [1.0, 2.0, 3.0]}, {}, "one per frame used"),
        ({"a": np.nan}, {}, "finite"),
        ({"a": 10.0, "b": 5.0}, {}, "not in increasing order"),
        ({"a": 1.0, "b": 22.0}, {}, "within one "),
        ({"a": 1.0}, {"groups": {"none": np.array([False])}}, "selects no atom"),
        ({"a": 1.0}, {"reference": np.array([False])}, "reference of the planes"),
    ],
)
def test_invalid_planes_raise(planes, options, message):
    with pytest.raises(AnalysisError, match=message):
        crossings(frames_at([[9.0], [11.0]], [3]), planes, **options)


def test_single_frame_raises():
    with pytest.raises(AnalysisError, match="at least two frames"):
        crossings(frames_at([[9.0]], [3]), {"plane": 10.0})
