"""Jobs of a campaign in FireWorks: handed over at a walltime, failed for a reason, run exactly once."""

import os
import subprocess
import time
from collections import Counter
from contextlib import closing

import pytest
from jobflow import Flow, OnMissing

from cluster_jobs import (
    broken,
    count_those_there,
    disk_full_once,
    leave_a_line,
    out_of_time_once,
    plus_one,
    told_to_end_once,
    wait_for,
)
from fireworks_jobs import add, documents, output_of, variables_of_workers
from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.runners import transient_errors as machine_errors
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.states import cluster_status, firework_states
from interphase_flows.runners.fireworks.submission import make_way_for
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.settings import (
    JOB_KINDS,
    ClusterSettings,
    Settings,
    WorkerSettings,
)
from interphase_flows.storage.workspace import Workspace
from tiny_campaign import command

pytestmark = pytest.mark.cluster

N_JOBS, N_WORKERS = 100, 4


def test_a_worker_looks_outputs_up_by_an_index(settings, tmp_path):
    """jobflow makes none; without it every reference reads the outputs of all jobs that there are."""
    add(settings, plus_one(1), "indexed")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    store = Workspace(settings, "indexed").job_store()
    store.connect()
    with closing(store):
        assert "uuid_1" in store.docs_store._collection.index_information()


def test_a_job_whose_time_is_over_hands_over_and_those_that_wait_get_its_result(settings, tmp_path):
    """The one that follows it is the same job."""
    late = out_of_time_once(str(tmp_path / "marker"))
    after = plus_one(late.output)
    add(settings, Flow([late, after]), "handover")
    shift = work(settings, "all", tmp_path / "launches")
    assert shift.n_jobs == 3
    assert output_of(settings, "handover", after.uuid) == 8
    assert cluster_status(settings, "handover").jobs["analysis"] == {
        "waiting": 0,
        "ready": 0,
        "running": 0,
        "done": 3,
        "failed": 0,
        "cancelled": 0,
    }
    assert documents(settings, "handover", "failures") == []


def test_a_job_that_meets_a_full_disk_is_waited_for_by_those_that_could_miss_it(
    settings, tmp_path, monkeypatch
):
    """An error of the machine is no failure of the job: it hands over to one like it, after a while."""
    monkeypatch.setattr(machine_errors, "FIRST_WAIT_S", 0.1)
    full = disk_full_once(str(tmp_path / "marker"))
    last = count_those_there([full.output])
    last.config.on_missing_references = OnMissing.NONE
    add(settings, Flow([full, last]), "full-disk")
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "full-disk", last.uuid) == 1
    status = cluster_status(settings, "full-disk")
    assert (status.n_failed, status.jobs["analysis"]["done"]) == (0, 3)


def test_a_worker_with_a_stop_request_requeues_its_job_and_takes_no_other(settings, tmp_path, monkeypatch):
    """Lightning makes a SystemExit of SIGTERM, which FireWorks would take for the end of the job."""
    monkeypatch.setattr("interphase_flows.runtime.walltime._stop_requests", [])
    told = told_to_end_once(str(tmp_path / "marker"))
    last = count_those_there([told.output])
    last.config.on_missing_references = OnMissing.NONE
    add(settings, Flow([told, last]), "told-to-end")
    shift = work(settings, "all", tmp_path / "launches")
    assert (shift.n_jobs, shift.ended_because) == (1, "its time is over")
    monkeypatch.setattr("interphase_flows.runtime.walltime._stop_requests", [])
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "told-to-end", last.uuid) == 1


def test_a_worker_leaves_the_environment_of_its_process_as_it_was(settings, tmp_path, monkeypatch):
    """Whoever works within another program does not change that program's settings."""
    monkeypatch.delenv("INTERPHASE_ROOT")
    work(settings, "all", tmp_path / "launches")
    assert "INTERPHASE_ROOT" not in os.environ


def test_a_failed_job_is_on_record_and_those_that_may_miss_it_go_on(settings, tmp_path):
    """Its reason can be queried, and status names it."""
    good, bad = plus_one(1), broken()
    last = count_those_there([good.output, bad.output])
    last.config.on_missing_references = OnMissing.NONE
    add(settings, Flow([good, bad, last]), "failing")
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "failing", last.uuid) == 1
    assert cluster_status(settings, "failing").failed == ["broken"]
    (failure,) = documents(settings, "failing", "failures")
    assert failure["reason"] == "ValueError"
    assert failure["details"]["explanation"] == "broken on purpose"


def test_the_jobs_of_a_failed_campaign_are_put_away_and_those_of_a_running_one_are_not(settings, tmp_path):
    """Before it is submitted again."""
    add(settings, Flow([broken()]), "again")
    launchpad = open_launchpad(settings)
    with closing(Workspace(settings, "again")) as workspace:
        with pytest.raises(InputError, match=r"is submitted already \(1 ready\)"):
            make_way_for(launchpad, workspace, accept_changes=False)
        work(settings, "all", tmp_path / "launches")
        assert firework_states(launchpad, "again") == {"FIZZLED": 1}
        make_way_for(launchpad, workspace, accept_changes=False)
    assert firework_states(launchpad, "again") == {}
    launchpad.connection.close()


def test_four_workers_run_a_hundred_jobs_each_exactly_once(settings, tmp_path):
    """Whoever takes them."""
    path = tmp_path / "lines.txt"
    jobs = [leave_a_line(str(path), number) for number in range(N_JOBS)]
    add(settings, Flow([*jobs, count_those_there([job.output for job in jobs])]), "hundred")
    variables = variables_of_workers(settings, "hundred")
    workers = [
        subprocess.Popen(
            command(["work", "all"]),
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(N_WORKERS)
    ]
    printed = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * N_WORKERS, printed
    lines = [line.split() for line in path.read_text().splitlines()]
    assert Counter(int(number) for number, _ in lines) == dict.fromkeys(range(N_JOBS), 1)
    assert len({pid for _, pid in lines}) > 1, "one worker did it all"


def test_a_job_whose_worker_was_killed_is_found_lost_and_run_by_another(settings, tmp_path):
    """By FireWorks' own search, which finds a job without a sign of life."""
    go, begun = tmp_path / "go", tmp_path / "begun"
    waiting = wait_for(str(go), str(begun))
    add(settings, Flow([waiting]), "killed")
    worker = subprocess.Popen(
        command(["work", "all"]),
        env=variables_of_workers(settings, "killed"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 120
        while not begun.exists():
            assert worker.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    go.touch()
    assert work(settings, "all", tmp_path / "launches").n_jobs == 0, "it is still called running"
    launchpad = open_launchpad(settings)
    lost_launches, lost_jobs, _ = launchpad.detect_lostruns(expiration_secs=1, rerun=True)
    launchpad.connection.close()
    assert len(lost_launches) == len(lost_jobs) == 1
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert output_of(settings, "killed", waiting.uuid) == os.getpid()
    assert len(begun.read_text().splitlines()) == 2


def test_a_store_in_a_file_is_refused_with_the_mend(tmp_path):
    """FireWorks needs a database."""
    with pytest.raises(SettingsError, match="a cluster needs MongoDB: set store to"):
        open_launchpad(Settings(root=tmp_path))


def test_every_kind_has_a_worker_in_these_tests(settings):
    """Else a job would wait for ever."""
    assert settings.cluster == ClusterSettings(
        workers={"all": WorkerSettings(kinds=JOB_KINDS, wait_for_work_s=0.5)}
    )
