"""Segments whose files are damaged, missing, outdated or of another segment give the same result."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damage import DAMAGES, replace_by
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.md.checkpoint import checkpoint_paths
from interphase_flows.md.segment import SegmentResult
from same_segments import assert_same

INTERRUPTED = [
    "checkpoint-000000000010.npz",
    "candidates/*.npz",
    "trajectory/zarr.json",
    "trajectory/displacement/zarr.json",
    "trajectory/displacement/c/0/0/0",
    "trajectory/potential_energy_eV/c/0",
    "trajectory/reference_positions/c/0/0",
]
"""Files of a segment that was stopped at step 10."""
ENDED = ["checkpoint-000000000012.npz", "candidates/*.npz", "trajectory.zarr.zip"]
"""Files of a segment whose result was not recorded before a kill."""
KINDS = ["flipped at a random byte", "half", "missing", "outdated", "of another segment"]


@pytest.fixture
def short(go: Callable[..., SegmentResult]) -> Callable[..., SegmentResult]:
    """Return a function that runs twelve steps, or stops at step 5 or 10."""

    def run(folder: Path, until: int = 12, **options: object) -> SegmentResult:
        answers: Iterator[bool] = iter([until <= 5, until <= 10])
        return go(folder, 12, checkpoint_interval_steps=6, stop_requested=lambda: next(answers, False), **options)

    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("files", [INTERRUPTED, ENDED], ids=["interrupted", "ended"])
def test_damaged_file_does_not_change_the_result(short, tmp_path, kind, files):
    until = 10 if files is INTERRUPTED else 12
    expected = short(tmp_path / "expected")
    short(tmp_path / "intact", until)
    short(tmp_path / "of another segment", until, seed=8)
    short(tmp_path / "outdated", 5 if files is INTERRUPTED else 10)
    for name in files:
        folder = shutil.copytree(tmp_path / "intact", tmp_path / "damaged")
        damage = DAMAGES.get(kind) or replace_by(max((tmp_path / kind).glob(name), default=folder / "none"))
        damage(max(folder.glob(name)))
        assert_same(short(folder), expected, same_file=False)
        shutil.rmtree(folder)


def test_frames_damaged_before_they_are_packed_are_computed_again(short, tmp_path):
    """The error comes from the process that ends the segment; the next one starts the segment again."""
    expected = short(tmp_path / "expected")

    def damage(*_: object) -> None:
        for path in (tmp_path / "run").glob("trajectory/displacement/c/0/0/0"):
            path.unlink()

    with pytest.raises(StorageError, match="not those that the checkpoint records"):
        short(tmp_path / "run", on_progress=damage)
    assert_same(short(tmp_path / "run"), expected)


def test_folder_with_checkpoints_of_another_segment_alone_does_not_change(short, tmp_path):
    short(tmp_path / "run", 10, seed=8)
    before = [path.read_bytes() for path in checkpoint_paths(tmp_path / "run")]
    with pytest.raises(InputError, match="delete it and resume"):
        short(tmp_path / "run")
    assert [path.read_bytes() for path in checkpoint_paths(tmp_path / "run")] == before
