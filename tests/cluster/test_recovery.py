"""Recovery of lost jobs outside Slurm: evidence, reruns, giving up."""

import os
import signal
import subprocess
import time
from contextlib import closing, contextmanager

import pytest
from fireworks import FWorker, Launch
from jobflow import Flow, OnMissing

from cluster_jobs import count_present, disk_full_once, wait_for_file
from fireworks_jobs import add, documents, output_of, variables_of_workers
from interphase_flows.runners.fireworks import firetask, recovery, worker_identity
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.recovery import Rule, recover
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.worker import work
from tiny_campaign import command

pytestmark = pytest.mark.cluster

BEGINS_WITHIN_S = 120.0


@contextmanager
def worker_with_a_job(settings, tmp_path, campaign, *after):
    """Start a worker in a separate process, and wait until it has taken a job that waits for a file."""
    go, begun = tmp_path / "go", tmp_path / "begun"
    waiting = wait_for_file(str(go), str(begun))
    flow = [waiting]
    if after:
        last = count_present([waiting.output])
        last.config.on_missing_references = OnMissing.NONE
        flow.append(last)
    add(settings, Flow(flow), campaign)
    with (tmp_path / "worker.txt").open("w") as output:
        process = subprocess.Popen(
            command(["work", "all"]),
            env=variables_of_workers(settings, campaign),
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + BEGINS_WITHIN_S
        while not begun.exists():
            assert process.poll() is None, (tmp_path / "worker.txt").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield process, go, begun, flow
    finally:
        process.kill()
        process.wait()


def test_job_of_a_killed_worker_is_rerun_exactly_once(settings, tmp_path):
    with worker_with_a_job(settings, tmp_path, "killed") as (process, go, begun, (waiting,)):
        assert recover(settings) == []
        process.kill()
        process.wait()
        (planned,) = recover(settings, dry_run=True)
        (found,) = recover(settings)
        assert planned == found
        assert (found.reason, found.action, found.n_tries) == ("process_gone", "rerun", 1)
        assert str(process.pid) in found.message
        assert recover(settings) == []
        go.touch()
        assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert output_of(settings, "killed", waiting.uuid) == os.getpid()
    assert len(begun.read_text().splitlines()) == 2
    assert recover(settings) == []


def test_stopped_process_is_left_alone_and_finishes_its_job(settings, tmp_path):
    with worker_with_a_job(settings, tmp_path, "stopped") as (process, go, begun, (waiting,)):
        process.send_signal(signal.SIGSTOP)
        assert recover(settings) == []
        process.send_signal(signal.SIGCONT)
        go.touch()
        assert process.wait(60) == 0
    assert output_of(settings, "stopped", waiting.uuid) == process.pid
    assert len(begun.read_text().splitlines()) == 1


def test_job_is_given_up_after_its_last_try_with_a_hint(settings, tmp_path, monkeypatch):
    """The failure is recorded, and children that tolerate it run."""
    monkeypatch.setattr(recovery, "RULES", {"process_gone": Rule(0, "check the memory")})
    with worker_with_a_job(settings, tmp_path, "hopeless", "after") as (process, _, _, (_, last)):
        process.kill()
        process.wait()
        (found,) = recover(settings)
    assert (found.action, found.hint) == ("give up", "check the memory")
    assert recover(settings) == []
    (failure,) = documents(settings, "hopeless", "failures")
    assert failure["reason"] == "process_gone"
    assert "check the memory, then submit again" in failure["details"]["explanation"]
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "hopeless", last.uuid) == 0
    assert cluster_status(settings, "hopeless").failed == ["wait_for_file"]


def test_transient_error_is_retried_after_a_wait(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(firetask, "MAX_RETRIES", 0)
    full = disk_full_once(str(tmp_path / "marker"))
    add(settings, Flow([full]), "full")
    work(settings, "all", tmp_path / "launches")
    assert cluster_status(settings, "full").failed == ["disk_full_once"]
    monkeypatch.setattr(recovery, "FIRST_WAIT_S", 60.0)
    assert recover(settings) == []
    monkeypatch.setattr(recovery, "FIRST_WAIT_S", 0.0)
    (found,) = recover(settings)
    assert (found.reason, found.action) == ("OSError", "rerun")
    assert "No space left on device" in found.message
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "full", full.uuid) == 7
    assert recover(settings) == []


def test_job_with_damaged_documents_stops_no_other_recovery(settings, tmp_path):
    """FireWorks cannot build the launch of the first job; the second one is lost as well, and is rerun."""
    damaged, intact = (wait_for_file(str(tmp_path / "go"), str(tmp_path / name)) for name in ("damaged", "intact"))
    add(settings, Flow([damaged]), "damaged")
    add(settings, Flow([intact]), "intact")
    dead = worker_identity.worker_identity() | {"started": "0", "slurm_job_id": None}
    with closing(open_launchpad(settings)) as launchpad:
        for number, campaign in enumerate(("damaged", "intact"), start=9001):
            state = {"state": "RUNNING", "launches": [number]}
            launchpad.fireworks.update_one({"spec.campaign": campaign}, {"$set": state})
            fw_id = launchpad.fireworks.find_one({"spec.campaign": campaign})["fw_id"]
            fworker = {"name": "w", "category": "", "query": "{}", "env": dead}
            launch = Launch("RUNNING", str(tmp_path), FWorker.from_dict(fworker), launch_id=number, fw_id=fw_id)
            launchpad.launches.insert_one(launch.to_db_dict())
        launchpad.launches.update_one({"launch_id": 9001}, {"$unset": {"fworker.category": 1, "fworker.query": 1}})
        launchpad.launches.insert_one({"launch_id": 9003, "fw_id": None, "state": "RUNNING", "state_history": []})
    found = {each.action: each for each in recover(settings)}
    assert "documents in FireWorks are damaged" in found["repair"].message
    assert (found["rerun"].campaign, found["rerun"].reason) == ("intact", "process_gone")
    assert [each.reason for each in recover(settings)] in ([], ["damaged"])
