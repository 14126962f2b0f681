"""Recovery of jobs whose allocation Slurm cancelled, killed or requeued."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fireworks import FWorker
from jobflow import Flow

from cluster_jobs import plus_one, wait_for_file
from fireworks_jobs import add, output_of, variables_of_workers
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.recovery import Recovery, recover
from interphase_flows.runners.fireworks.states import n_open_jobs
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.runners.fireworks.worker_requests import request_workers
from interphase_flows.runners.slurm import jobs_in_queue
from interphase_flows.settings import Settings
from slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

WITHIN_S = 120.0
WORKERS = {"all": {"kinds": ["dft", "train", "md", "analysis"], "wait_for_work_s": 5, "walltime": "00:10:00"}}


@pytest.fixture
def on_slurm(settings: Settings, slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of this process and of its workers in Slurm."""
    for name, value in slurm.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INTERPHASE_CLUSTER__WORKERS", json.dumps(WORKERS))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Settings(root=settings.root, store=settings.store, artifacts_url=settings.artifacts_url)


def wait_until(condition: Callable[[], object], message: str, logs: Path):
    end = time.monotonic() + WITHIN_S
    while not (found := condition()):
        tails = "\n".join(path.read_text()[-1500:] for path in sorted(logs.glob("*/*.error")))
        assert time.monotonic() < end, f"{message}; logs of workers:\n{tails}"
        time.sleep(0.3)
    return found


def lose_a_worker(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    campaign: str,
    lose: Callable[[str, int], None],
    after: Callable[[str], None] = lambda job_id: None,
) -> Recovery:
    """Start a job in Slurm, lose its worker, recover the job, and wait until another worker has finished it."""
    go, begun = tmp_path / "go", tmp_path / "begun"
    job = wait_for_file(str(go), str(begun))
    add(settings, Flow([job]), campaign)
    monkeypatch.setenv("PYTHONPATH", variables_of_workers(settings, campaign)["PYTHONPATH"])
    logs = settings.root / "launches"
    (request,) = request_workers(settings)
    assert len(request.submitted) == 1
    wait_until(begun.exists, "no worker took the job", logs)
    assert recover(settings) == []
    lose(request.submitted[0], int(begun.read_text()))
    (found,) = wait_until(lambda: recover(settings), "the lost job was not found", logs)
    assert recover(settings) == []
    after(request.submitted[0])
    go.touch()
    wait_until(lambda: request_workers(settings)[0].n_ready == 0, "no other worker took the job", logs)
    wait_until(lambda: _has_output(settings, campaign, job.uuid), "the job was not done", logs)
    # the first worker may still end the job before Slurm kills it; the other one runs it in any case
    wait_until(lambda: n_open_jobs(settings) == 0, "the job was not closed", logs)
    assert len(begun.read_text().splitlines()) == 2
    # an idle worker of this test would take the job of the next one
    subprocess.run(["scancel", "--me"], check=True, capture_output=True, timeout=60)
    wait_until(lambda: not jobs_in_queue("if-"), "workers do not end", logs)
    return found


def _has_output(settings: Settings, campaign: str, uuid: str) -> bool:
    try:
        return output_of(settings, campaign, uuid) is not None
    except ValueError:  # no output yet
        return False


def run(slurm: SlurmCluster, *command: str) -> None:
    subprocess.run(command, env=slurm.environment, check=True, capture_output=True, timeout=60)


def test_job_of_a_cancelled_allocation_is_rerun(on_slurm, slurm, tmp_path, monkeypatch):
    found: Recovery = lose_a_worker(
        on_slurm, tmp_path, monkeypatch, "cancelled", lambda job_id, _: run(slurm, "scancel", job_id)
    )
    assert (found.reason, found.action) == ("cancelled", "rerun")
    assert "CANCELLED" in found.message


def test_job_of_a_killed_worker_is_rerun(on_slurm, slurm, tmp_path, monkeypatch):
    """Killed by kill -9, as by the kernel when memory runs out."""
    found = lose_a_worker(on_slurm, tmp_path, monkeypatch, "killed", lambda _, pid: os.kill(pid, signal.SIGKILL))
    assert (found.reason, found.action) == ("failed", "rerun")


def test_job_of_a_requeued_allocation_is_rerun(on_slurm, slurm, tmp_path, monkeypatch):
    """A requeued allocation restarts with the same job id."""
    found = lose_a_worker(
        on_slurm,
        tmp_path,
        monkeypatch,
        "requeued",
        lambda job_id, _: run(slurm, "scontrol", "requeue", job_id),
        # otherwise Slurm delays a requeued allocation for two minutes
        lambda job_id: run(slurm, "scontrol", "update", f"JobId={job_id}", "StartTime=now"),
    )
    assert (found.reason, found.action) == ("requeued", "rerun")


def test_reservation_is_reset_when_its_queue_job_is_cancelled(on_slurm, slurm, tmp_path):
    """Reservations are made by FireWorks' `qlaunch -r`; while the queue job waits they are left alone."""
    job = plus_one(1)
    add(on_slurm, Flow([job]), "reserved")
    launchpad = open_launchpad(on_slurm)
    firework, launch_id = launchpad.reserve_fw(FWorker(), str(tmp_path))
    assert recover(on_slurm) == []
    submitted = subprocess.run(
        ["sbatch", "--parsable", "--hold", f"--output={tmp_path}/out", "--wrap", "true"],
        env=slurm.environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    launchpad.set_reservation_id(launch_id, submitted.stdout.strip())
    assert recover(on_slurm) == []
    run(slurm, "scancel", submitted.stdout.strip())
    launchpad.connection.close()
    (found,) = wait_until(lambda: recover(on_slurm), "the lost reservation was not found", tmp_path)
    assert (found.fw_id, found.action) == (firework.fw_id, "repair")
    assert "ended as CANCELLED" in found.message
    assert work(on_slurm, "all", tmp_path / "launches").n_jobs == 1
    assert output_of(on_slurm, "reserved", job.uuid) == 2
    assert recover(on_slurm) == []
