"""Fencing: a worker that was presumed dead and resumes writes nothing, and reports that it lost its lease."""

import os
import signal
import subprocess
import time

import pytest
from jobflow import Flow

from cluster_jobs import count_with_checkpoints, plus_one
from fireworks_jobs import add, documents, output_of, variables_of_workers
from interphase_flows.runners.fireworks.recovery import recover
from interphase_flows.runners.fireworks.worker import work
from tiny_campaign import command

pytestmark = pytest.mark.cluster

WITHIN_S = 120.0
N_STEPS = 8


def wait_until(condition, message):
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.1)


def test_stopped_worker_loses_its_lease_and_writes_nothing_when_it_continues(settings, tmp_path, monkeypatch):
    """The next worker resumes from the checkpoint, and there is one result."""
    for name, value in (("LEASE_S", "2"), ("UNRESPONSIVE_AFTER_S", "10")):
        monkeypatch.setenv(f"INTERPHASE_CLUSTER__{name}", value)
    quick = settings.cluster.model_copy(update={"lease_s": 2.0, "unresponsive_after_s": 10.0})
    settings = settings.model_copy(update={"cluster": quick})
    go, log = tmp_path / "go", tmp_path / "worker.txt"
    counting = count_with_checkpoints("a-count", N_STEPS, str(go))
    after = plus_one(counting.output)
    add(settings, Flow([counting, after]), "fenced")
    counted = settings.root / "fenced" / "work" / "models" / "a-count" / "count"
    with log.open("w") as output:
        process = subprocess.Popen(
            command(["work", "all"]),
            env=variables_of_workers(settings, "fenced"),
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: counted.exists() and len(counted.read_text().splitlines()) == N_STEPS // 2,
            log.read_text(),
        )
        process.send_signal(signal.SIGSTOP)
        found = []

        def is_found():
            found.extend(recover(settings))
            return bool(found)

        wait_until(is_found, "the missing heartbeat was not detected")
        assert [(each.reason, each.action) for each in found] == [("unresponsive", "rerun")]
        go.touch()
        assert work(settings, "all", tmp_path / "launches").n_jobs == 2
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    (result,) = documents(settings, "fenced", "models")
    half = N_STEPS // 2
    assert result["counted_by"] == [process.pid] * half + [os.getpid()] * half
    assert output_of(settings, "fenced", after.uuid) == os.getpid() + 1
    assert "was presumed dead" in log.read_text()
    assert documents(settings, "fenced", "failures") == []
    assert all(lease["is_released"] for lease in documents(settings, "fenced", "leases"))
    assert recover(settings) == []
