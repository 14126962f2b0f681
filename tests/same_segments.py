"""Comparison of two segments to the last bit."""

import numpy as np

from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.segment import SegmentResult


def assert_same(one: SegmentResult, other: SegmentResult, *, same_file: bool = True) -> None:
    """Assert bitwise equality of state, random stream, frames, observations and candidates.

    Without ``same_file``, files of equal frames may differ, as by the level of compression in a changed metadata file.
    """
    a, b = read_checkpoint(one.last_good_checkpoint), read_checkpoint(other.last_good_checkpoint)
    assert a.state_sha256() == b.state_sha256()
    assert a.metadata["trajectory_sha256"] == b.metadata["trajectory_sha256"]
    assert not same_file or one.trajectory.read_bytes() == other.trajectory.read_bytes()
    assert one.evaluation_step.tolist() == other.evaluation_step.tolist()
    np.testing.assert_array_equal(one.uncertainty_eV_per_angstrom, other.uncertainty_eV_per_angstrom)
    assert [c.step for c in one.candidates] == [c.step for c in other.candidates]
    for mine, theirs in zip(one.candidates, other.candidates, strict=True):
        np.testing.assert_array_equal(mine.atoms.positions, theirs.atoms.positions)
