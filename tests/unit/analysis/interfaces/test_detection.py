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
    expected = above.reservoirs["electrolyte"].copy()
    expected[7] = 0.5 * (expected[6] + expected[8])
    np.testing.assert_allclose(other.reservoirs["electrolyte"], expected)


def test_reservoir_is_unknown_if_the_other_boundary_is_lost_for_long(found):
    frames, series = found
    above = next(
        e for e in interfaces_of(frames, SIDES, without_below(series, slice(10, None)))[0] if e.name == "above"
    )
    assert np.isnan(above.reservoirs["electrolyte"]).sum() == 10


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
