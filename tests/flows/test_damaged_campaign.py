"""Damaged files of a finished and of a half-finished campaign: the same result, or an error that names the file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from campaign_documents import documents, results
from damage import flip, replace_by, truncate
from interphase_flows.commands.export import export_dataset, export_models, export_trajectories
from interphase_flows.exceptions import CorruptArtifactError, CorruptStoreError
from interphase_flows.results import CampaignResults
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import load_settings
from interphase_flows.storage.ledger import KINDS
from interphase_flows.storage.pending_results import save_pending
from interphase_flows.storage.workspace import open_workspace
from killed_commands import Cradle

pytestmark = pytest.mark.slow

RESULTS = sorted(set(KINDS) - {"failures", "campaigns", "progress"})
SEED = 20261202
N_FLIPS = 24


def random_flip(path: Path, seed: int = SEED) -> None:
    flip(path, np.random.default_rng(seed).random())


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped": random_flip,
    "half": lambda path: truncate(path, 0.5),
    "empty": lambda path: truncate(path, 0.0),
    "missing": lambda path: path.unlink(),
}
OF_ANOTHER = "of another result"

ARTIFACTS = ("structures", "models", "checkpoints", "candidates", "trajectories", "datasets")
"""Kinds of artifacts on which later results of the campaign depend."""
UNFINISHED = (
    "work/models/{model}/epoch-*.ckpt",
    "work/models/{model}/train.extxyz",
    "work/segments/{segment}/checkpoint-*.npz",
    "work/segments/{segment}/candidates/*.npz",
    "work/segments/{segment}/trajectory.zarr.zip",
    "pending_results/labels/*.json",
    "progress.json",
)
"""Files of work that was not recorded; the newest of each is damaged."""


@pytest.fixture(scope="module")
def half_finished(finished_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a root whose campaign was killed before it recorded its last work, and the files of that work.

    The documents of a potential, a segment and a label are missing; that of the label waits on the disk.
    """
    root = tmp_path_factory.mktemp("half") / "root"
    shutil.copytree(finished_root, root)
    with open_workspace(load_settings(root=root), "tiny") as workspace:
        ledger = workspace.ledger
        model = ledger.find("models", sort={"created_at": -1}, limit=1)[0]["key"]
        segment = ledger.find("segments", {"role": "production"}, sort={"created_at": -1}, limit=1)[0]["key"]
        label = ledger.get_as("labels", ledger.find("labels", limit=1)[0]["key"], LabelDoc)
        assert label is not None
        save_pending(workspace.root, "labels", label.key, label)
        for kind, key in (("models", model), ("segments", segment), ("labels", label.key)):
            ledger.backend.remove(kind, {"key": key})
    return root, [name.format(model=model, segment=segment) for name in UNFINISHED]


@pytest.fixture(scope="module")
def cradle() -> Cradle:
    return Cradle()


def newest(folder: Path, pattern: str) -> Path | None:
    return max(folder.glob(pattern), default=None)


def damaged(path: Path, kind: str) -> None:
    """Damage a file, or replace it by one of another result, with the same name or, for artifacts, of the same kind."""
    path.chmod(0o644)
    if kind != OF_ANOTHER:
        return DAMAGES[kind](path)
    others = sorted({*path.parents[1].glob(f"*/{path.name}"), *path.parents[1].glob(f"*/*{path.suffix}")} - {path})
    return replace_by(others[0] if others else path.parent / "none")(path)


@pytest.mark.parametrize("kind", [*DAMAGES, OF_ANOTHER])
def test_half_finished_campaign_with_damaged_files_has_the_same_result(
    half_finished: tuple[Path, list[str]], finished_root: Path, cradle: Cradle, tmp_path: Path, kind: str
) -> None:
    original, unfinished = half_finished
    root = tmp_path / "root"
    shutil.copytree(original, root)
    patterns = [*unfinished, *(f"artifacts/{name}/*/*" for name in ARTIFACTS)]
    found = {pattern: newest(root / "tiny", pattern) for pattern in patterns}
    assert [pattern for pattern, path in found.items() if path is None] == []
    for path in found.values():
        damaged(path, kind)
    printed = cradle.resume(root, tmp_path / "output")
    assert "Traceback" not in printed
    if printed:
        assert "Hint: " in printed
        assert cradle.resume(root, tmp_path / "output") == "", "a second resume ends without a result"
    for each in RESULTS:
        assert documents(root, each).keys() == documents(finished_root, each).keys(), each
    for each in ("iterations", "datasets", "production_audits", "transport", "phases"):
        assert results(root, each) == results(finished_root, each)
    states = [
        {key: (segment["continue_state"], segment["trajectory"]) for key, segment in results(each, "segments").items()}
        for each in (root, finished_root)
    ]
    assert states[0] == states[1]


@pytest.mark.parametrize("kind", [*DAMAGES, OF_ANOTHER])
def test_export_of_a_damaged_artifact_names_the_file_and_writes_nothing(
    finished_root: Path, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "root"
    shutil.copytree(finished_root, root)
    exports = {"datasets": export_dataset, "models": export_models, "trajectories": export_trajectories}
    with CampaignResults("tiny", load_settings(root=root)) as stored:
        for name, export in exports.items():
            files = sorted((root / "tiny" / "artifacts" / name).glob("*/*"))
            intact = [path.read_bytes() for path in files]
            for path, other in zip(files, (intact[-1], *intact), strict=False):
                damaged(path, kind)
                if kind == OF_ANOTHER:  # of the one before, since the first one may be damaged already
                    path.write_bytes(other)
            target = tmp_path / f"{name}.extxyz"
            with pytest.raises(CorruptArtifactError, match=rf"/artifacts/{name}/.*Hint: ") as caught:
                export(stored, target)
            assert any(str(path) in str(caught.value) for path in files)
            assert not target.exists()
            for path, content in zip(files, intact, strict=True):
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            assert export(stored, target), "the restored file is read"


def one_byte_less(path: Path) -> None:
    truncate(path, 1.0)


def first_byte_alone(path: Path) -> None:
    """SQLite reads a file that is shorter than a page as an empty database."""
    path.write_bytes(path.read_bytes()[:1])


def all_documents(root: Path) -> dict[str, dict]:
    return {kind: documents(root, kind) for kind in (*RESULTS, "campaigns")}


@pytest.mark.parametrize("read_only", [True, False], ids=["reader", "writer"])
def test_damaged_ledger_is_an_error_before_anything_is_written(
    finished_root: Path, tmp_path: Path, read_only: bool
) -> None:
    root = tmp_path / "root"
    shutil.copytree(finished_root / "tiny", root / "tiny", ignore=shutil.ignore_patterns("report", "work"))
    path, expected = root / "tiny" / "ledger.sqlite", all_documents(finished_root)
    intact = path.read_bytes()
    damages = [lambda path, seed=seed: random_flip(path, seed) for seed in range(N_FLIPS)]
    messages = []
    for damage in (*damages, DAMAGES["half"], DAMAGES["empty"], one_byte_less, first_byte_alone):
        path.write_bytes(intact)
        damage(path)
        content = path.read_bytes()
        try:
            with open_workspace(load_settings(root=root), "tiny", read_only=read_only):
                found = all_documents(root)
        except CorruptStoreError as error:
            messages.append(str(error))
            found = expected if path.read_bytes() == content else {}
        assert found == expected
    assert len(messages) > N_FLIPS / 2
    assert [text for text in messages if str(path) not in text or "Hint: " not in text] == []
