"""Jobs that nobody runs any more are found by evidence, and run again once."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from jobflow import Flow, OnMissing

from cluster_jobs import count_those_there, disk_full_once, wait_for
from fireworks_jobs import add, documents, output_of, variables_of_workers
from interphase_flows.runners.fireworks import firetask, recovery
from interphase_flows.runners.fireworks.recovery import Rule, recover
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.worker import work
from tiny_campaign import command

pytestmark = pytest.mark.cluster

BEGINS_WITHIN_S = 120.0


@contextmanager
def worker_with_a_job(settings, tmp_path, campaign, *after):
    """A worker in a process of its own, once it has taken a job that waits for a file."""
    go, begun = tmp_path / "go", tmp_path / "begun"
    waiting = wait_for(str(go), str(begun))
    flow = [waiting]
    if after:
        last = count_those_there([waiting.output])
        last.config.on_missing_references = OnMissing.NONE
        flow.append(last)
    add(settings, Flow(flow), campaign)
    with (tmp_path / "worker.txt").open("w") as words:
        process = subprocess.Popen(
            command(["work", "all"]), env=variables_of_workers(settings, campaign), stdout=words, stderr=words
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


def test_a_job_of_a_killed_worker_is_run_again_and_only_once(settings, tmp_path):
    """Found at once; the second look finds nothing, and nothing is found of the job while it runs or is done."""
    with worker_with_a_job(settings, tmp_path, "killed") as (process, go, begun, (waiting,)):
        assert recover(settings) == []
        process.kill()
        process.wait()
        (planned,) = recover(settings, dry_run=True)
        (found,) = recover(settings)
        assert planned == found
        assert (found.reason, found.action, found.n_tries) == ("process_gone", "run again", 1)
        assert str(process.pid) in found.told
        assert recover(settings) == []
        go.touch()
        assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert output_of(settings, "killed", waiting.uuid) == os.getpid()
    assert len(begun.read_text().splitlines()) == 2
    assert recover(settings) == []


def test_a_stopped_worker_may_still_be_running_and_is_left_alone(settings, tmp_path):
    """It goes on, and its job is done once."""
    with worker_with_a_job(settings, tmp_path, "stopped") as (process, go, begun, (waiting,)):
        process.send_signal(signal.SIGSTOP)
        assert recover(settings) == []
        process.send_signal(signal.SIGCONT)
        go.touch()
        assert process.wait(60) == 0
    assert output_of(settings, "stopped", waiting.uuid) == process.pid
    assert len(begun.read_text().splitlines()) == 1


def test_after_too_many_tries_it_is_given_up_with_the_mend(settings, tmp_path, monkeypatch):
    """On record; jobs that may miss it go on."""
    monkeypatch.setattr(recovery, "RULES", {"process_gone": Rule(0, "look at the memory")})
    with worker_with_a_job(settings, tmp_path, "hopeless", "after") as (process, _, _, (_, last)):
        process.kill()
        process.wait()
        (found,) = recover(settings)
    assert (found.action, found.mend) == ("give up", "look at the memory")
    assert recover(settings) == []
    (failure,) = documents(settings, "hopeless", "failures")
    assert failure["reason"] == "process_gone"
    assert "look at the memory, then submit again" in failure["details"]["explanation"]
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "hopeless", last.uuid) == 0
    assert cluster_status(settings, "hopeless").failed == ["wait_for"]


def test_an_error_of_the_machine_is_tried_again_after_a_while(settings, tmp_path, monkeypatch):
    """A full disk may have room tomorrow, but hardly at once."""
    monkeypatch.setattr(firetask, "MOST_TRIES", 0)
    full = disk_full_once(str(tmp_path / "marker"))
    add(settings, Flow([full]), "full")
    work(settings, "all", tmp_path / "launches")
    assert cluster_status(settings, "full").failed == ["disk_full_once"]
    monkeypatch.setattr(recovery, "FIRST_WAIT_S", 60.0)
    assert recover(settings) == []
    monkeypatch.setattr(recovery, "FIRST_WAIT_S", 0.0)
    (found,) = recover(settings)
    assert (found.reason, found.action) == ("OSError", "run again")
    assert "No space left on device" in found.told
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "full", full.uuid) == 7
    assert recover(settings) == []
