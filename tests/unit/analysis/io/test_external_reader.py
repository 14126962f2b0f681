"""A reader of another distribution, found through its entry point."""

import numpy as np
import pytest

from interphase_flows.analysis.io.open import ENTRY_POINT_GROUP, open_trajectory

MODULE = """
import numpy as np

from interphase_flows.analysis.io.reader import Reader


class NpyReader(Reader):
    time_option = "frame_interval_fs"
    unwrapped_by = "the format"

    @staticmethod
    def recognises(path, head):
        return head[1:6] == b"NUMPY"

    def open(self):
        self._positions = np.load(self.path)
        n_frames, n_atoms, _ = self._positions.shape
        self.numbers = np.full(n_atoms, 3)
        self.periodic = np.ones(3, dtype=bool)
        self.time_fs = self.times_in_file([], n_frames)
        for frame in range(n_frames):
            self.cells.add(frame, self.cell(frame))

    def positions(self, frame):
        return self._positions[frame]

    def cell(self, frame):
        return 10.0 * np.eye(3)
"""


@pytest.fixture
def installed_reader(tmp_path, monkeypatch):
    """Install a distribution with a reader of .npy files."""
    site = tmp_path / "site"
    metadata = site / "npy_reader-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "npy_reader.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: npy-reader\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nnpy = npy_reader:NpyReader\n")
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("installed_reader")
def test_reader_of_another_distribution_is_used(tmp_path):
    positions = np.random.default_rng(0).random((4, 5, 3))
    np.save(tmp_path / "run.npy", positions)
    with open_trajectory(tmp_path / "run.npy", frame_interval_fs=10.0) as frames:
        np.testing.assert_array_equal(frames.positions(3), positions[3])
        np.testing.assert_array_equal(frames.time_fs, 10.0 * np.arange(4))
