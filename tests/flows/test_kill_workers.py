"""Worker processes and their parent killed at random instants, compared with an uninterrupted campaign."""

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from campaign_documents import documents, results
from interphase_flows.storage.ledger import KINDS
from tiny_campaign import command, environment, run_without_report

N_CYCLES = int(os.environ.get("INTERPHASE_KILL_CYCLES", "2"))
"""Every cycle kills two workers, then the parent."""
N_WORKERS = int(os.environ.get("INTERPHASE_KILLED_WORKERS", "2"))
MAX_PAUSE_S = 4.0
MAX_EXIT_S = 60.0


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int


def session(leader: int) -> list[Process]:
    """Return all processes of a session that run, except its leader."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, of_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        pid = int(stat.parent.name)
        if int(of_session) == leader and pid != leader and state != "Z":
            found.append(Process(pid, int(parent)))
    return found


def workers(leader: int) -> list[int]:
    """Return the worker processes: children of the fork server, which is a child of the leader."""
    members = session(leader)
    servers = {each.pid for each in members if each.parent == leader}
    return [each.pid for each in members if each.parent in servers]


def wait_for_workers(parent: subprocess.Popen[bytes]) -> list[int]:
    """Return the workers as soon as there are some, or none if the parent has ended."""
    while parent.poll() is None:
        if found := workers(parent.pid):
            return found
        time.sleep(0.1)
    return []


def survivors(leader: int) -> list[Process]:
    """Return the processes of a session that still run some time after the end of its leader."""
    ended = time.monotonic() + MAX_EXIT_S
    while (found := session(leader)) and time.monotonic() < ended:
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def killed(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict], list[int]]:
    """Run the campaign to its end with kills; return its root, the labels after each kill, and orphans after each."""
    root = tmp_path_factory.mktemp("killed")
    rng = random.Random(int(os.environ.get("INTERPHASE_KILL_SEED", "20261201")))
    labels, n_orphans = [], []
    for _ in range(N_CYCLES):
        begins = ["resume", "tiny"] if (root / "tiny" / "ledger.sqlite").exists() else ["run", str(tiny_file)]
        parent = subprocess.Popen(
            command([*begins, "--root", str(root), "--workers", str(N_WORKERS)]),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for_workers(parent)
        for _ in range(2):
            time.sleep(rng.uniform(0.2, MAX_PAUSE_S))
            if found := wait_for_workers(parent):
                os.kill(rng.choice(found), signal.SIGKILL)
                labels.append(documents(root, "labels"))
        time.sleep(rng.uniform(0.2, MAX_PAUSE_S))
        parent.kill()
        parent.wait()
        n_orphans.append(len(survivors(parent.pid)))
        labels.append(documents(root, "labels"))
    # no test reads its report
    run_without_report(tiny_file, root, {"INTERPHASE_N_WORKERS": str(N_WORKERS)})
    return root, labels, n_orphans


@pytest.mark.slow
class TestKilledWorkers:
    def test_no_process_survives_its_parent(self, killed):
        assert killed[2] == [0] * N_CYCLES

    def test_document_keys_are_identical(self, killed, finished_root):
        for kind in set(KINDS) - {"failures", "campaigns", "progress"}:
            assert documents(killed[0], kind).keys() == documents(finished_root, kind).keys(), kind

    def test_datasets_and_iterations_are_identical(self, killed, finished_root):
        for kind in ("datasets", "iterations"):
            assert results(killed[0], kind) == results(finished_root, kind)

    def test_production_trajectories_are_bitwise_identical(self, killed, finished_root):
        ours, theirs = (results(root, "segments") for root in (killed[0], finished_root))
        assert {k: (s["continue_state"], s["trajectory"]) for k, s in ours.items()} == {
            k: (s["continue_state"], s["trajectory"]) for k, s in theirs.items()
        }

    def test_no_label_is_computed_twice(self, killed):
        final = documents(killed[0], "labels")
        for labels in killed[1]:
            for key, label in labels.items():
                assert final[key]["created_at"] == label["created_at"]

    def test_no_failure_is_recorded(self, killed):
        assert documents(killed[0], "failures") == {}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 2)])
def test_signal_to_the_terminal_stops_all_workers_at_checkpoints(tiny_file, tmp_path, number, code):
    parent = subprocess.Popen(
        command(["run", str(tiny_file), "--root", str(tmp_path), "--workers", "2"]),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    progress = tmp_path / "tiny" / "progress.json"
    while not (progress.exists() and any(w["stage"] for w in json.loads(progress.read_text())["workers"].values())):
        assert parent.poll() is None
        time.sleep(0.1)
    os.killpg(parent.pid, number) if number == signal.SIGINT else parent.send_signal(number)
    _, errors = parent.communicate(timeout=120)
    assert parent.returncode == code
    assert "Traceback" not in errors
    assert "interphase resume" in errors
    assert survivors(parent.pid) == []
    assert documents(tmp_path, "failures") == {}
