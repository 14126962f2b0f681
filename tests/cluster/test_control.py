"""Pause, resume, hold and cancel a campaign on a cluster while its jobs add new ones."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fireworks.core.fworker import FWorker
from jobflow import Flow
from ruamel.yaml import YAML

from cluster_jobs import broken, disk_full_once, plus_one, run_until_stopped, wait_and_add_jobs, wait_for_file
from fireworks_jobs import add, output_of, submit, variables_of_workers
from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.status import campaign_status
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.runners.campaign_records import REQUIRED_ANALYSES
from interphase_flows.runners.fireworks import firetask, recovery
from interphase_flows.runners.fireworks.control import (
    cancel_campaign,
    check_not_on_cluster,
    is_on_cluster,
    pause_campaign,
    release_campaign,
)
from interphase_flows.runners.fireworks.launchpad import not_held, open_launchpad
from interphase_flows.runners.fireworks.recovery import recover
from interphase_flows.runners.fireworks.states import cluster_status, firework_states
from interphase_flows.runners.fireworks.submission import archive_previous_jobs, submit_campaign
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace
from tiny_campaign import TINY, command

pytestmark = pytest.mark.cluster

WITHIN_S = 120.0


def wait_until(condition: Callable[[], object], message: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.1)


@contextmanager
def worker(settings: Settings, campaign: str, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Start a worker in a separate process; it ends when there is no ready job for it."""
    with (tmp_path / "worker.txt").open("w") as stream:
        process = subprocess.Popen(
            command(["work", "all"]),
            env=variables_of_workers(settings, campaign),
            stdout=stream,
            stderr=stream,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def states(settings: Settings, campaign: str) -> dict[str, int]:
    launchpad = open_launchpad(settings)
    with closing(launchpad.connection):
        return firework_states(launchpad, campaign)


def test_submitted_campaign_does_not_run_on_this_machine_until_it_is_cancelled(settings):
    """Both would compute the same jobs, and the status would be that of one of them."""
    submit(settings, Flow([plus_one(1)]), "submitted")
    with pytest.raises(InputError, match=r"submitted to FireWorks and has 1 unfinished jobs.*cancel submitted"):
        check_not_on_cluster(settings, "submitted", "submitted")
    check_not_on_cluster(settings, "submitted", "running")
    cancel_campaign(settings, "submitted")
    check_not_on_cluster(settings, "submitted", "submitted")


def test_pause_holds_jobs_that_a_running_job_adds_until_the_release(settings, tmp_path):
    go, begun = tmp_path / "go", tmp_path / "begun"
    maker = wait_and_add_jobs(str(go), str(begun), 3)
    after = plus_one(maker.output)
    submit(settings, Flow([maker, after]), "making")
    with worker(settings, "making", tmp_path) as process:
        wait_until(begun.exists, "no job started")
        paused = pause_campaign(settings, "making")
        assert (paused.hold.state, paused.n_running) == ("paused", 1)
        status = campaign_status(settings, "making")
        assert (status.status, status.has_ended) == ("paused", False)
        go.touch()
        assert process.wait(WITHIN_S) == 0, "the worker does not end without ready jobs"
    assert states(settings, "making") == {"COMPLETED": 1, "READY": 4}
    assert work(settings, "all", tmp_path / "launches").n_jobs == 0
    assert pause_campaign(settings, "making").hold == paused.hold, "a second pause changes nothing"
    assert release_campaign(settings, "making") == paused.hold
    assert work(settings, "all", tmp_path / "launches").n_jobs == 4
    assert output_of(settings, "making", after.uuid) == 4
    assert states(settings, "making") == {"COMPLETED": 5}


def test_lost_job_of_a_paused_campaign_is_reset_but_not_run(settings, tmp_path):
    go, begun = tmp_path / "go", tmp_path / "begun"
    submit(settings, Flow([wait_for_file(str(go), str(begun))]), "lost")
    with worker(settings, "lost", tmp_path) as process:
        wait_until(begun.exists, "no job started")
        pause_campaign(settings, "lost")
        process.kill()
        process.wait()
    (found,) = recover(settings)
    assert found.action == "rerun"
    go.touch()
    assert states(settings, "lost") == {"READY": 1}
    assert work(settings, "all", tmp_path / "launches").n_jobs == 0
    (lost,) = cluster_status(settings, "lost").lost
    assert (lost.state, lost.reasons, lost.n_reruns) == ("READY", ["process_gone"], 1)
    release_campaign(settings, "lost")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1


def test_pause_does_not_affect_other_campaigns(settings, tmp_path):
    submit(settings, Flow([plus_one(1)]), "quiet")
    submit(settings, Flow([plus_one(2)]), "busy")
    pause_campaign(settings, "quiet")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert states(settings, "busy") == {"COMPLETED": 1}
    assert states(settings, "quiet") == {"READY": 1}
    cancel_campaign(settings, "quiet")


def test_resume_and_submit_name_the_release_of_jobs_that_lpad_paused(settings, tmp_path):
    """Without ready jobs, resume would run the campaign on this machine, and submit would archive the paused jobs."""
    submit(settings, Flow([plus_one(1)]), "held")
    launchpad = open_launchpad(settings)
    with closing(launchpad.connection):
        (job,) = launchpad.get_fw_ids({"spec.campaign": "held"})
        launchpad.pause_fw(job)
        assert is_on_cluster(settings, "held")
        for command_of_campaign in (release_campaign, pause_campaign):
            with pytest.raises(InputError, match=f"1 of its jobs paused .*lpad resume_fws -i {job}"):
                command_of_campaign(settings, "held")
        with closing(Workspace(settings, "held")) as workspace, pytest.raises(InputError, match="1 of its jobs"):
            archive_previous_jobs(launchpad, workspace, accept_changes=False)
        launchpad.resume_fw(job)
    assert states(settings, "held") == {"READY": 1}
    assert cancel_campaign(settings, "held").n_jobs == 1


def test_campaign_submitted_on_hold_starts_after_the_release(settings, tmp_path):
    campaign = Campaign(**YAML(typ="safe").load(TINY))
    submit_campaign(campaign, settings, hold=True)
    assert work(settings, "all", tmp_path / "launches").n_jobs == 0
    assert campaign_status(settings, "tiny").status == "on hold"
    with pytest.raises(InputError, match=r"on hold since .*interphase resume tiny"):
        submit_campaign(campaign, settings)
    assert pause_campaign(settings, "tiny").hold.state == "on hold", "a hold is already a pause"
    launchpad = open_launchpad(settings)
    with closing(launchpad.connection):
        assert not launchpad.run_exists(FWorker(query=not_held(launchpad)))
        release_campaign(settings, "tiny")
        assert launchpad.run_exists(FWorker(query=not_held(launchpad)))
    assert campaign_status(settings, "tiny").status == "submitted"
    cancelled = cancel_campaign(settings, "tiny")
    assert cancelled.n_done == 0
    assert set(states(settings, "tiny")) == {"DEFUSED"}
    submit_campaign(campaign, settings)
    assert campaign_status(settings, "tiny").status == "submitted"
    assert cancel_campaign(settings, "tiny").n_jobs == cancelled.n_jobs


def test_cancel_keeps_finished_jobs_and_stops_running_ones(settings, tmp_path):
    """A worker outside Slurm stops at its next checkpoint, no job starts, and a submission archives the jobs."""
    begun = tmp_path / "begun"
    first = plus_one(1)
    endless = run_until_stopped(str(begun), first.output)
    submit(settings, Flow([first, endless, plus_one(endless.output)]), "ended")
    with worker(settings, "ended", tmp_path) as process:
        wait_until(begun.exists, "no job started")
        cancelled = cancel_campaign(settings, "ended")
        assert (cancelled.n_jobs, cancelled.n_done, cancelled.not_ended) == (2, 1, [])
        assert str(process.pid) in cancelled.ended[0]
        assert process.wait(WITHIN_S) == 0, (tmp_path / "worker.txt").read_text()
    assert states(settings, "ended") == {"COMPLETED": 1, "DEFUSED": 2}
    assert output_of(settings, "ended", first.uuid) == 2
    assert recover(settings) == []
    assert work(settings, "all", tmp_path / "launches").n_jobs == 0
    status = campaign_status(settings, "ended")
    assert (status.status, status.has_ended, status.failures) == ("cancelled", True, 0)
    assert status.cluster.jobs["analysis"]["cancelled"] == 2
    again = cancel_campaign(settings, "ended")
    assert (again.n_jobs, again.n_done, again.ended) == (0, 1, [])
    launchpad = open_launchpad(settings)
    with closing(launchpad.connection), closing(Workspace(settings, "ended")) as workspace:
        assert archive_previous_jobs(launchpad, workspace, accept_changes=False)
    assert states(settings, "ended") == {}


def test_job_that_ends_after_the_cancellation_adds_no_jobs(settings, tmp_path):
    go, begun = tmp_path / "go", tmp_path / "begun"
    submit(settings, Flow([wait_and_add_jobs(str(go), str(begun), 3)]), "late")
    with worker(settings, "late", tmp_path) as process:
        wait_until(begun.exists, "no job started")
        cancel_campaign(settings, "late")
        go.touch()
        assert process.wait(WITHIN_S) == 0
    assert states(settings, "late") == {"DEFUSED": 1}


def test_cancel_leaves_a_worker_alone_that_runs_a_job_of_another_campaign(settings, tmp_path):
    go, begun = tmp_path / "go", tmp_path / "begun"
    submit(settings, Flow([plus_one(1)]), "one")
    submit(settings, Flow([wait_for_file(str(go), str(begun))]), "other")
    pause_campaign(settings, "one")
    with worker(settings, "other", tmp_path) as process:
        wait_until(begun.exists, "no job started")
        cancelled = cancel_campaign(settings, "one")
        assert (cancelled.n_jobs, cancelled.ended) == (1, [])
        go.touch()
        assert process.wait(WITHIN_S) == 0
    assert states(settings, "other") == {"COMPLETED": 1}


@pytest.mark.parametrize("control", [pause_campaign, cancel_campaign, release_campaign])
def test_control_of_missing_local_failed_or_finished_campaign_raises(settings, tmp_path, control):
    with pytest.raises(StorageError, match="no such campaign: nowhere"):
        control(settings, "nowhere")
    with closing(Workspace(settings, "here")) as workspace:
        state = {"spec": {}, "status": "running", "started_at": "2026-01-01T00:00:00+00:00"}
        workspace.ledger.set_state("campaigns", "here", state)
    with pytest.raises(InputError, match=r"here was not submitted to a cluster \(it is running\)"):
        control(settings, "here")
    assert not is_on_cluster(settings, "here")
    submit(settings, Flow([broken()]), control.__name__)
    work(settings, "all", tmp_path / "launches")
    if control is not cancel_campaign:
        with pytest.raises(InputError, match="has no running or ready job"):
            control(settings, control.__name__)
    with closing(Workspace(settings, control.__name__)) as workspace:
        result = {
            "outcome": "converged",
            "analysis_keys": dict.fromkeys([*REQUIRED_ANALYSES, "equations_of_state"], "key"),
            "iteration_keys": [],
        }
        state = workspace.ledger.get("campaigns", control.__name__)
        workspace.ledger.set_state("campaigns", control.__name__, state | {"result": result})
    with pytest.raises(InputError, match="is finished: nothing to"):
        control(settings, control.__name__)


def test_recovery_does_not_rerun_jobs_of_a_cancelled_campaign(settings, tmp_path, monkeypatch):
    """Even after a transient error; the failure stays on record."""
    monkeypatch.setattr(recovery, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(firetask, "MAX_RETRIES", 0)
    submit(settings, Flow([disk_full_once(str(tmp_path / "marker"))]), "over")
    work(settings, "all", tmp_path / "launches")
    assert len(recover(settings, dry_run=True)) == 1
    assert cancel_campaign(settings, "over").n_jobs == 1
    assert recover(settings) == []
    assert states(settings, "over") == {"DEFUSED": 1}
    status = campaign_status(settings, "over")
    assert (status.status, status.has_ended, status.failures) == ("cancelled", True, 1)


def test_release_of_an_active_or_cancelled_campaign_raises(settings):
    submit(settings, Flow([plus_one(1)]), "active")
    assert is_on_cluster(settings, "active")
    with pytest.raises(InputError, match="is active on the cluster and not paused"):
        release_campaign(settings, "active")
    cancel_campaign(settings, "active")
    for control in (release_campaign, pause_campaign):
        with pytest.raises(InputError, match=r"was cancelled at .*interphase submit FILE"):
            control(settings, "active")


def test_failed_jobs_have_a_hint_and_the_number_of_waiting_jobs(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(firetask, "MAX_RETRIES", 0)
    bad = broken()
    after = plus_one(bad.output)
    submit(settings, Flow([broken()]), "repaired")
    add(settings, Flow([bad, after, plus_one(after.output)]), "repaired")
    add(settings, Flow([disk_full_once(str(tmp_path / "marker"))]), "repaired")
    work(settings, "all", tmp_path / "launches")
    found = cluster_status(settings, "repaired")
    first, second = found.needs_attention
    assert (first.n_waiting, second.n_waiting) == (2, 0)
    assert (first.name, first.reason, first.explanation) == ("broken", "ValueError", "broken on purpose")
    assert first.hint == "fix the cause, then submit the campaign again"
    (full,) = found.will_be_retried
    assert (full.name, full.reason) == ("disk_full_once", "OSError")
    assert "No space left on device" in full.explanation
    status = campaign_status(settings, "repaired")
    assert (status.status, status.has_ended) == ("failed", False)
    recover(settings)
    work(settings, "all", tmp_path / "launches")
    status = campaign_status(settings, "repaired")
    assert (status.cluster.will_be_retried, status.has_ended) == ([], True)
    (again,) = status.cluster.lost
    assert (again.reasons, again.n_reruns, again.state) == (["OSError"], 1, "COMPLETED")


def test_commands_report_what_they_did(settings, tmp_path):
    one = plus_one(1)
    submit(settings, Flow([one, plus_one(one.output)]), "typed")
    variables = variables_of_workers(settings, "typed")

    def interphase(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(arguments), env=variables, capture_output=True, text=True, check=False, timeout=WITHIN_S
        )

    assert "typed: paused since" in interphase("pause", "typed").stdout
    status = json.loads(interphase("status", "typed", "--json").stdout)
    assert (status["status"], status["cluster"]["hold"]["state"]) == ("paused", "paused")
    assert status["pace"]["next_decision_s"] is None
    assert status["pace"]["basis"] == "the campaign is paused"
    shown = interphase("status", "typed").stdout
    assert "typed: paused, started" in shown
    assert "continue with: interphase resume typed" in shown
    assert "next decision of the active-learning loop: unknown (the campaign is paused)" in shown
    assert "released; it was paused since" in interphase("resume", "typed").stdout
    again = interphase("resume", "typed")
    assert (again.returncode, "not paused" in again.stderr) == (2, True)
    done = interphase("cancel", "typed")
    assert "typed: 2 jobs cancelled; 0 finished jobs are kept" in done.stdout
    watched = interphase("status", "typed", "--watch", "1")
    assert watched.returncode == 0, watched.stderr
    assert "typed: cancelled" in watched.stdout
    assert "continue with: interphase submit FILE" in watched.stdout
    again = interphase("resume", "typed", "--retry-rejected", "killed")
    assert "--retry-rejected: campaign typed has jobs on the cluster" in again.stderr


def test_watch_ends_on_ctrl_c_with_exit_code_zero(settings, tmp_path):
    submit(settings, Flow([plus_one(1)]), "watched")
    log = tmp_path / "watch.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command(["status", "watched", "--watch"]),
            env=variables_of_workers(settings, "watched"),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "Ctrl-C ends the display" in log.read_text(), "no output")
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()
    assert os.stat(log).st_size > 0
    cancel_campaign(settings, "watched")
