"""Displacements in a cell that the barostat changes."""

import runpy
from pathlib import Path

import numpy as np

from interphase_flows.analysis.geometry.frame_slice import FrameSlice
from interphase_flows.structures.crystals.library import load_phase

BULK_CHECKS = Path(__file__).parents[2] / "benchmarks" / "bulk_checks.py"


class Expanding:
    """A crystal whose cell grows by 4 % along x, in which one atom moves by a tenth of the cell along y."""

    def __init__(self) -> None:
        self.start = load_phase("Li").repeat(3)
        self.n_frames, self.n_atoms, self.numbers = 3, len(self.start), self.start.numbers
        self.time_fs = np.arange(3.0)

    def cell(self, frame: int, /) -> np.ndarray:
        return self.start.cell.array * [1.0 + 0.02 * frame, 1.0, 1.0]

    def positions(self, frame: int, /) -> np.ndarray:
        fractions = self.start.get_scaled_positions()
        fractions[5, 1] += 0.05 * frame
        return fractions @ self.cell(frame)


def test_displacements_do_not_contain_the_change_of_the_cell():
    frames = Expanding()
    found = runpy.run_path(str(BULK_CHECKS))["displacements"](FrameSlice(frames, 0, 3))
    expected = np.zeros((frames.n_atoms, 3))
    expected[5, 1] = 0.1 * frames.start.cell[1, 1]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    cartesian = frames.positions(2) - frames.positions(0)
    assert np.abs(cartesian[:, 0]).max() > 0.2
