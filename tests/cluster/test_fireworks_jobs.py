"""Jobs of a campaign in FireWorks: requeued at a walltime, failed with a reason, run exactly once."""

import os
import subprocess
import time
from collections import Counter
from contextlib import closing

import pytest
from jobflow import Flow, OnMissing

from cluster_jobs import (
    append_line,
    broken,
    count_present,
    disk_full_once,
    more_jobs,
    out_of_time_once,
    plus_one,
    stopped_once,
    wait_for_file,
)
from fireworks_jobs import add, documents, output_of, variables_of_workers
from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.runners import job_failures
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.states import cluster_status, firework_states
from interphase_flows.runners.fireworks.submission import archive_previous_jobs
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.schemas.iteration import ITERATION
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


def test_job_store_has_an_index_of_outputs(settings, tmp_path):
    """jobflow creates none; without it every reference scans the outputs of all jobs."""
    add(settings, plus_one(1), "indexed")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    store = Workspace(settings, "indexed").job_store()
    store.connect()
    with closing(store):
        assert "uuid_1" in store.docs_store._collection.index_information()


def test_job_at_walltime_is_requeued_and_its_children_get_the_result(settings, tmp_path):
    late = out_of_time_once(str(tmp_path / "marker"))
    after = plus_one(late.output)
    add(settings, Flow([late, after]), "requeue")
    run = work(settings, "all", tmp_path / "launches")
    assert run.n_jobs == 3
    assert output_of(settings, "requeue", after.uuid) == 8
    assert cluster_status(settings, "requeue").jobs["analysis"] == {
        "waiting": 0,
        "ready": 0,
        "running": 0,
        "done": 3,
        "failed": 0,
        "cancelled": 0,
    }
    assert documents(settings, "requeue", "failures") == []


def test_added_jobs_inherit_the_iteration_from_the_metadata(settings, tmp_path):
    """The job, three jobs that replace it, and the one that stores their output."""
    several = more_jobs(2, str(tmp_path / "lines.txt"))
    several.update_metadata({ITERATION: 3})
    add(settings, Flow([several, plus_one(several.output)]), "iterations")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 6
    iterations = cluster_status(settings, "iterations").iterations
    assert {index: rows["analysis"]["done"] for index, rows in iterations.items()} == {3: 5}


def test_full_disk_requeues_the_job_and_tolerant_children_wait(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(job_failures, "FIRST_WAIT_S", 0.1)
    full = disk_full_once(str(tmp_path / "marker"))
    last = count_present([full.output])
    last.config.on_missing_references = OnMissing.NONE
    add(settings, Flow([full, last]), "full-disk")
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "full-disk", last.uuid) == 1
    status = cluster_status(settings, "full-disk")
    assert (status.n_failed, status.jobs["analysis"]["done"]) == (0, 3)


def test_stopped_worker_requeues_its_job_and_takes_no_other(settings, tmp_path, monkeypatch):
    """Lightning raises SystemExit on SIGTERM, which FireWorks would treat as the end of the job."""
    monkeypatch.setattr("interphase_flows.runtime.walltime._stop_requests", [])
    stopped = stopped_once(str(tmp_path / "marker"))
    last = count_present([stopped.output])
    last.config.on_missing_references = OnMissing.NONE
    add(settings, Flow([stopped, last]), "stopped")
    run = work(settings, "all", tmp_path / "launches")
    assert (run.n_jobs, run.end_reason) == (1, "its walltime is over")
    monkeypatch.setattr("interphase_flows.runtime.walltime._stop_requests", [])
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "stopped", last.uuid) == 1


def test_last_ping_of_a_job_may_follow_the_end_of_the_worker(settings):
    """FireWorks' thread wakes when the job ends, and then pings once more."""
    launchpad = open_launchpad(settings)
    launchpad.close()
    launchpad.ping_launch(1)


def test_worker_restores_the_environment_of_its_process(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("INTERPHASE_ROOT")
    work(settings, "all", tmp_path / "launches")
    assert "INTERPHASE_ROOT" not in os.environ


def test_failed_job_is_recorded_and_tolerant_children_run(settings, tmp_path):
    good, bad = plus_one(1), broken()
    last = count_present([good.output, bad.output])
    last.config.on_missing_references = OnMissing.NONE
    add(settings, Flow([good, bad, last]), "failing")
    work(settings, "all", tmp_path / "launches")
    assert output_of(settings, "failing", last.uuid) == 1
    assert cluster_status(settings, "failing").failed == ["broken"]
    (failure,) = documents(settings, "failing", "failures")
    assert failure["reason"] == "ValueError"
    assert failure["details"]["explanation"] == "broken on purpose"


def test_resubmission_archives_jobs_of_a_failed_campaign_but_not_of_an_active_one(settings, tmp_path):
    add(settings, Flow([broken()]), "again")
    launchpad = open_launchpad(settings)
    with closing(Workspace(settings, "again")) as workspace:
        with pytest.raises(InputError, match=r"is already submitted \(1 ready\)"):
            archive_previous_jobs(launchpad, workspace, accept_changes=False)
        work(settings, "all", tmp_path / "launches")
        assert firework_states(launchpad, "again") == {"FIZZLED": 1}
        archive_previous_jobs(launchpad, workspace, accept_changes=False)
    assert firework_states(launchpad, "again") == {}
    launchpad.connection.close()


def test_four_workers_run_each_of_a_hundred_jobs_exactly_once(settings, tmp_path):
    path = tmp_path / "lines.txt"
    jobs = [append_line(str(path), number) for number in range(N_JOBS)]
    add(settings, Flow([*jobs, count_present([job.output for job in jobs])]), "hundred")
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
    output = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * N_WORKERS, output
    lines = [line.split() for line in path.read_text().splitlines()]
    assert Counter(int(number) for number, _ in lines) == dict.fromkeys(range(N_JOBS), 1)
    assert len({pid for _, pid in lines}) > 1, "one worker ran all jobs"


def test_fireworks_detect_lostruns_finds_the_job_of_a_killed_worker(settings, tmp_path):
    go, begun = tmp_path / "go", tmp_path / "begun"
    waiting = wait_for_file(str(go), str(begun))
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
    assert work(settings, "all", tmp_path / "launches").n_jobs == 0, "FireWorks still calls it running"
    launchpad = open_launchpad(settings)
    end = time.monotonic() + 60
    while not (lost := launchpad.detect_lostruns(expiration_secs=1, rerun=True))[0]:
        assert time.monotonic() < end, "the lost job was not detected"
        time.sleep(0.1)
    lost_launches, lost_jobs, _ = lost
    launchpad.connection.close()
    assert len(lost_launches) == len(lost_jobs) == 1
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert output_of(settings, "killed", waiting.uuid) == os.getpid()
    assert len(begun.read_text().splitlines()) == 2


def test_embedded_store_raises_with_a_hint(tmp_path):
    with pytest.raises(SettingsError, match=r"a cluster needs MongoDB\. Hint: set store to"):
        open_launchpad(Settings(root=tmp_path))


def test_fixture_has_one_worker_for_all_kinds(settings):
    """Otherwise a job would wait forever."""
    assert settings.cluster == ClusterSettings(workers={"all": WorkerSettings(kinds=JOB_KINDS, wait_for_work_s=0.5)})
