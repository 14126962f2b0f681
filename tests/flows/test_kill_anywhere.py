"""A campaign killed at random instants, compared with an uninterrupted one."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from campaign_documents import documents, results
from interphase_flows.storage.ledger import KINDS
from killed_commands import Cradle, die_while_importing
from tiny_campaign import command, environment, interphase, run_without_report

N_KILLS = 10
KILLED_WHILE_IMPORTING = 1
"""Index of the kill that hits a new process within two seconds, while it imports its modules."""
MAX_LIFETIME_S = 6.0


def started_epochs(root: Path) -> dict[str, int]:
    """Return the last epoch on disk of every training."""
    epochs: dict[str, int] = {}
    for path in (root / "tiny" / "work" / "models").glob("*/epoch-*.ckpt"):
        epoch = int(path.stem.removeprefix("epoch-"))
        epochs[path.parent.name] = max(epoch, epochs.get(path.parent.name, -1))
    return epochs


@pytest.fixture(scope="module")
def killed(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """Kill the process group (SIGKILL) at ten random instants, then resume to the end; return root and snapshots."""
    root = tmp_path_factory.mktemp("killed")
    seed = int(os.environ.get("INTERPHASE_KILL_SEED", "20250117"))
    rng = random.Random(seed)
    snapshots: list[tuple[dict, dict]] = []
    cradle = Cradle()
    for kill in range(N_KILLS):
        begins = ["run", str(tiny_file)] if not (root / "tiny" / "ledger.sqlite").exists() else ["resume", "tiny"]
        if kill == KILLED_WHILE_IMPORTING:
            die_while_importing([*begins, "--root", str(root)], rng.uniform(0.2, 2.0))
        else:
            cradle.live_and_die([*begins, "--root", str(root)], rng.uniform(0.5, MAX_LIFETIME_S))
        if (root / "tiny" / "ledger.sqlite").exists():
            snapshots.append((documents(root, "labels"), started_epochs(root)))
    # no test reads its report
    run_without_report(tiny_file, root)
    return root, snapshots


@pytest.mark.slow
class TestKilledTenTimes:
    def test_iterations_and_datasets_are_identical(self, killed: tuple[Path, list], finished_root: Path) -> None:
        root, _ = killed
        assert results(root, "iterations") == results(finished_root, "iterations")
        assert results(root, "datasets") == results(finished_root, "datasets")

    def test_document_keys_are_identical(self, killed: tuple[Path, list], finished_root: Path) -> None:
        root, _ = killed
        for kind in set(KINDS) - {"failures", "campaigns", "progress"}:
            assert documents(root, kind).keys() == documents(finished_root, kind).keys(), kind

    def test_no_failure_is_recorded(self, killed: tuple[Path, list]) -> None:
        assert documents(killed[0], "failures") == {}

    def test_production_trajectories_are_bitwise_identical(
        self, killed: tuple[Path, list], finished_root: Path
    ) -> None:
        root, _ = killed
        ours, theirs = results(root, "segments"), results(finished_root, "segments")
        assert {k: (s["continue_state"], s["trajectory"]) for k, s in ours.items()} == {
            k: (s["continue_state"], s["trajectory"]) for k, s in theirs.items()
        }

    def test_no_label_is_computed_twice(self, killed: tuple[Path, list]) -> None:
        root, snapshots = killed
        final = documents(root, "labels")
        for labels, _ in snapshots:
            for key, label in labels.items():
                assert final[key]["created_at"] == label["created_at"]

    def test_epochs_continue_from_their_last_epoch(self, killed: tuple[Path, list]) -> None:
        root, snapshots = killed
        models = documents(root, "models")
        interrupted = {
            key: epoch
            for _, epochs in snapshots
            for key, epoch in epochs.items()
            if epoch + 1 < models[key]["n_epochs"]
        }
        for key, epoch in interrupted.items():
            assert models[key]["resumed_from_epoch"] is not None, f"{key} had finished epoch {epoch}"


def test_second_process_is_rejected_with_the_lock_holder(tiny_file: Path, tmp_path: Path) -> None:
    first = subprocess.Popen(
        command(["run", str(tiny_file), "--root", str(tmp_path)]),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "tiny" / "ledger.sqlite").exists():
            assert first.poll() is None, "the first process ended before it started the campaign"
            assert time.monotonic() < deadline, "the first process did not start the campaign"
            time.sleep(0.1)
        second = interphase("run", str(tiny_file), "--root", str(tmp_path), check=False)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert second.returncode == 2
    assert f"process {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
