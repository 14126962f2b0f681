"""Interfaces that are tracked although boundaries are missing in some frames."""

from dataclasses import replace

import numpy as np
import pytest

from breathing_cells import in_changing_cell
from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.analysis.interfaces.detection import find_interfaces, interfaces_of
from interphase_flows.exceptions import AnalysisError

SIDES = TwoSides(frozenset({"Li"}), {"Li": 7, "P": 3, "S": 11})


@pytest.fixture(scope="module")
def found():
    frames = growing(2.0, n_frames=20, planes_per_angstrom=2)
    return frames, find_interfaces(frames, SIDES)[0]


def without_below(series, rows):
    """Remove the boundaries below the electrode from some frames."""
    below = series.sides.index("below")

    def removed(values):
        values = values.copy()
        values[rows, below] = np.nan
        return values

    names = ("thickness_angstrom", "electrode_side_angstrom", "electrolyte_side_angstrom")
    return replace(series, **{name: removed(getattr(series, name)) for name in names})


def test_reservoir_is_interpolated_where_the_other_boundary_is_missing(found):
    frames, series = found
    intact, gap = (interfaces_of(frames, SIDES, each)[0] for each in (series, without_below(series, 7)))
    above, other = (next(each for each in one if each.name == "above") for one in (intact, gap))
    expected = above.reservoirs["electrolyte"]
    np.testing.assert_allclose(np.delete(other.reservoirs["electrolyte"], 7), np.delete(expected, 7))
    assert other.reservoirs["electrolyte"][7] == pytest.approx(expected[7], abs=0.5)


def test_reservoir_is_measured_from_the_last_boundary_if_the_other_one_is_lost(found):
    frames, series = found
    intact, lost = (
        next(each for each in interfaces_of(frames, SIDES, one)[0] if each.name == "above")
        for one in (series, without_below(series, slice(10, None)))
    )
    left = lost.reservoirs["electrolyte"]
    assert len(left) == 20
    assert np.isfinite(left).all()
    np.testing.assert_allclose(left, intact.reservoirs["electrolyte"], atol=3.0)


def test_electrolyte_without_any_bulk_is_used_up(found):
    """Both boundaries are lost for good after frame 10; a loss of two frames before is interpolated."""
    frames, series = found
    names = ("thickness_angstrom", "electrode_side_angstrom", "electrolyte_side_angstrom")
    gone = {name: getattr(series, name).copy() for name in names}
    for values in gone.values():
        values[5:7] = values[11:] = np.nan
    interfaces, notes = interfaces_of(frames, SIDES, replace(series, **gone))
    assert len(interfaces) == 2
    for each in interfaces:
        left = each.reservoirs["electrolyte"]
        np.testing.assert_array_equal(np.flatnonzero(left == 0.0), np.arange(11, len(left)))
        assert not each.is_found[11:].any()
    assert sum("the electrolyte was used up at 11 ps" in note for note in notes) == 2


def test_reservoir_before_a_vacuum_scales_with_the_cell():
    """Electrolyte from 30 to 60 Å below a vacuum, in a cell whose height shrinks by 10 %."""
    frames = growing(0.0, n_frames=8, planes_per_angstrom=2)
    inside = (frames.all_positions[0, :, 2] > 0.5) & (frames.all_positions[0, :, 2] < 60.0)
    slab = ArrayFrames(frames.numbers[inside], frames.time_fs, frames.all_positions[:, inside], frames.cells)
    strain = np.outer(np.linspace(0.0, -0.1, 8), [0, 0, 1])
    shrinking = in_changing_cell(slab, strain)
    left = [
        interfaces_of(each, SIDES, find_interfaces(each, SIDES)[0])[0][0].reservoirs["electrolyte"]
        for each in (slab, shrinking)
    ]
    assert left[0].mean() == pytest.approx(30.0, abs=1.5)
    np.testing.assert_allclose(left[1], left[0] * (1.0 + strain[:, 2]), atol=0.2)


class Unreadable(ArrayFrames):
    """Frames of a damaged file."""

    def positions(self, frame, /):
        raise AnalysisError(f"run.dump: frame {frame}: the file is damaged. Hint: remove it")


def test_unreadable_first_frame_is_reported_as_such(found):
    frames, _ = found
    damaged = Unreadable(**vars(frames))
    with pytest.raises(AnalysisError, match=r"^run\.dump: frame 0: the file is damaged\. Hint: remove it$"):
        find_interfaces(damaged, SIDES)
