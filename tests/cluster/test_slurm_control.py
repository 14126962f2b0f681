"""Pause, cancel and limits on a real Slurm, and Slurm's reasons in the status."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from jobflow import Flow

from cluster_jobs import plus_one, wait_for_file
from fireworks_jobs import add, submit, variables_of_workers
from interphase_flows.runners.fireworks.control import cancel_campaign, pause_campaign, release_campaign
from interphase_flows.runners.fireworks.recovery import recover
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.worker_requests import request_workers
from interphase_flows.runners.slurm import QueueJob, jobs_in_queue
from interphase_flows.settings import ClusterSettings, Settings, WorkerSettings
from slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

WITHIN_S = 120.0
KINDS = ("dft", "train", "md", "analysis")
AN_HOUR_LATER = {"begin": "now+1hour"}


@pytest.fixture
def on_slurm(settings: Settings, slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes settings for this process and its workers; the queue is emptied at the end."""
    for name, value in slurm.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def make(max_in_queue: int | None = None, **worker) -> Settings:
        one = WorkerSettings(kinds=KINDS, walltime="00:10:00", wait_for_work_s=5, **worker)
        cluster = ClusterSettings(workers={"all": one}, max_in_queue=max_in_queue)
        monkeypatch.setenv("INTERPHASE_CLUSTER__WORKERS", json.dumps({"all": one.model_dump(mode="json")}))
        return settings.model_copy(update={"cluster": cluster})

    yield make
    subprocess.run(["scancel", "--me"], check=True, capture_output=True, timeout=60)
    wait_until(lambda: not jobs_in_queue("if-"), "the queue is not empty")


def wait_until(condition: Callable[[], object], message: str, logs: Path | None = None):
    end = time.monotonic() + WITHIN_S
    while not (found := condition()):
        tails = "" if logs is None else "\n".join(p.read_text()[-1500:] for p in sorted(logs.glob("*/*.error")))
        assert time.monotonic() < end, f"{message}; logs of workers:\n{tails}"
        time.sleep(0.3)
    return found


def queue() -> list[QueueJob]:
    return jobs_in_queue("if-")


def three_ready_jobs(settings: Settings, campaign: str) -> None:
    submit(settings, Flow([plus_one(0)]), campaign)
    for number in (1, 2):
        add(settings, Flow([plus_one(number)]), campaign)


def test_overall_limit_of_allocations_and_withdrawal_by_a_pause(on_slurm):
    """With three ready jobs and a limit of two; a pause withdraws allocations that no other campaign needs."""
    settings = on_slurm(max_in_queue=2, sbatch=AN_HOUR_LATER)
    three_ready_jobs(settings, "first")
    (request,) = request_workers(settings)
    assert (request.n_ready, len(request.submitted)) == (3, 2)
    assert {job.state for job in queue()} == {"PENDING"}
    assert request_workers(settings)[0].submitted == []
    submit(settings, Flow([plus_one(4)]), "second")
    paused = pause_campaign(settings, "first")
    assert paused.withdrawn == request.submitted[1:], "the newest is withdrawn, the other campaign needs one"
    wait_until(lambda: [job.job_id for job in queue()] == request.submitted[:1], "other allocations are in the queue")
    assert request_workers(settings)[0].n_ready == 1
    release_campaign(settings, "first")
    assert len(request_workers(settings)[0].submitted) == 1
    assert len(cancel_campaign(settings, "second").withdrawn) == 0
    assert len(cancel_campaign(settings, "first").withdrawn) == 2
    wait_until(lambda: not queue(), "idle allocations remain")


def test_cancel_ends_only_the_allocation_of_the_running_job_of_the_campaign(on_slurm, tmp_path, monkeypatch):
    settings = on_slurm()
    logs = settings.root / "launches"
    pids = {}
    for campaign in ("ends", "stays"):
        go, begun = tmp_path / f"{campaign}.go", tmp_path / f"{campaign}.begun"
        submit(settings, Flow([wait_for_file(str(go), str(begun))]), campaign)
        monkeypatch.setenv("PYTHONPATH", variables_of_workers(settings, campaign)["PYTHONPATH"])
        request_workers(settings)
        wait_until(begun.exists, "no worker took the job", logs)
        pids[campaign] = int(begun.read_text())
    cancelled = cancel_campaign(settings, "ends")
    assert (cancelled.n_jobs, cancelled.not_ended) == (1, [])
    assert "was cancelled" in cancelled.ended[0]
    wait_until(lambda: not Path(f"/proc/{pids['ends']}").exists(), "the worker still runs")
    assert recover(settings) == []
    assert cluster_status(settings, "ends").jobs["analysis"]["cancelled"] == 1
    assert os.path.exists(f"/proc/{pids['stays']}")
    (tmp_path / "stays.go").touch()
    wait_until(
        lambda: cluster_status(settings, "stays").jobs["analysis"]["done"] == 1,
        "the other job was stopped",
        logs,
    )


def test_status_shows_slurms_reason_of_a_lost_job(on_slurm, slurm, tmp_path, monkeypatch):
    """Before and after its recovery."""
    settings = on_slurm()
    go, begun = tmp_path / "go", tmp_path / "begun"
    submit(settings, Flow([wait_for_file(str(go), str(begun))]), "timed-out")
    monkeypatch.setenv("PYTHONPATH", variables_of_workers(settings, "timed-out")["PYTHONPATH"])
    (request,) = request_workers(settings)
    wait_until(begun.exists, "no worker took the job", settings.root / "launches")
    assert cluster_status(settings, "timed-out").lost == []
    (job_id,) = request.submitted
    subprocess.run(
        ["scontrol", "update", f"JobId={job_id}", "EndTime=now+1second"],
        env=slurm.environment,
        check=True,
        timeout=60,
    )
    (lost,) = wait_until(lambda: cluster_status(settings, "timed-out").lost, "the job is not reported as lost")
    assert (lost.state, lost.reasons, lost.n_reruns) == ("RUNNING", ["TIMEOUT"], 0)
    assert "not rerun yet: interphase recover" in lost.message
    (found,) = recover(settings)
    assert found.reason == "timeout"
    (lost,) = cluster_status(settings, "timed-out").lost
    assert (lost.state, lost.reasons, lost.n_reruns) == ("READY", ["TIMEOUT"], 1)
    cancel_campaign(settings, "timed-out")
