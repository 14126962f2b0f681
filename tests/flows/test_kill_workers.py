"""Worker processes and their parent killed at random instants, compared with an uninterrupted campaign."""

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
from tiny_campaign import command, environment

N_CYCLES = int(os.environ.get("INTERPHASE_KILL_CYCLES", "2"))
"""Every cycle kills two workers, then the parent."""
N_WORKERS = 4
MAX_PAUSE_S = 4.0
MAX_EXIT_S = 10.0


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


@pytest.fixture(scope="module")
def killed(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict], list[int]]:
    """Run the campaign to its end with kills; return its root, the labels after each kill, and orphans after each."""
    root = tmp_path_factory.mktemp("killed")
    rng = random.Random(int(os.environ.get("INTERPHASE_KILL_SEED", "20261201")))
    labels, n_orphans = [], []
    for cycle in range(N_CYCLES + 1):
        begins = ["resume", "tiny"] if (root / "tiny" / "ledger.sqlite").exists() else ["run", str(tiny_file)]
        parent = subprocess.Popen(
            command([*begins, "--root", str(root), "--workers", str(N_WORKERS)]),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if cycle == N_CYCLES:
            assert parent.wait() == 0
            break
        wait_for_workers(parent)
        for _ in range(2):
            time.sleep(rng.uniform(0.2, MAX_PAUSE_S))
            if found := wait_for_workers(parent):
                os.kill(rng.choice(found), signal.SIGKILL)
                labels.append(documents(root, "labels"))
        time.sleep(rng.uniform(0.2, MAX_PAUSE_S))
        parent.kill()
        parent.wait()
        ended = time.monotonic() + MAX_EXIT_S
        while session(parent.pid) and time.monotonic() < ended:
            time.sleep(0.05)
        n_orphans.append(len(session(parent.pid)))
        labels.append(documents(root, "labels"))
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
