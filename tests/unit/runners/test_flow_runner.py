"""The local runner of flows, compared with jobflow's own."""

import logging
import os
import signal
from pathlib import Path

import pytest
from jobflow import Flow, JobStore, OnMissing, job, run_locally
from maggma.stores import MemoryStore

from interphase_flows.exceptions import SettingsError, StorageError, WalltimeReachedError
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.runners.local.job_log import job_log
from interphase_flows.runtime.progress import FAILED, JOBS, listening
from interphase_flows.runtime.walltime import stop_on_signals
from interphase_flows.storage.failures import failure_groups
from response_jobs import FLOWS, failing, note, ran

pytestmark = pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")


@pytest.fixture
def store():
    with JobStore(MemoryStore()) as store:
        yield store


@pytest.mark.parametrize("name", FLOWS)
def test_flow_runs_the_same_jobs_as_with_jobflow(workspace, store, name):
    expected = run_locally(FLOWS[name](), store=JobStore(MemoryStore()), log=False, root_dir=workspace.root)
    expected_jobs = ran(workspace.root)
    responses = FlowRunner(workspace, store).run(FLOWS[name]())
    assert ran(workspace.root) == expected_jobs
    assert [list(by_index) for by_index in responses.values()] == [list(each) for each in expected.values()]


def test_error_of_the_settings_ends_the_run_and_equal_errors_are_one_line(workspace, store):
    """Further jobs would fail in the same way: a missing command must not cost a failure for every label."""
    begun: list[int] = []

    @job
    def label(n, before=None):
        begun.append(n)
        raise SettingsError("there is no program 'vasp_std'") if n == 5 else ValueError("no such file")

    jobs = [label(0)]
    for n in range(1, 126):  # one after the other, although each fails
        jobs.append(label(n, jobs[-1].output))
        jobs[-1].config.on_missing_references = OnMissing.NONE
    for n, each in enumerate(jobs):
        each.name = f"label {n}"
    lines = []
    with (
        listening(lambda event: lines.append((event.done, event.detail)) if event.stage == FAILED else None),
        pytest.raises(SettingsError, match="vasp_std"),
    ):
        FlowRunner(workspace, store).run(Flow(jobs))
    assert begun == list(range(6))
    assert lines == [
        *((n, f"label {n - 1}: ValueError: no such file") for n in (1, 2, 4)),
        (1, "label 5: there is no program 'vasp_std'"),
    ]
    groups = failure_groups(workspace.ledger, {})
    assert [(group.count, group.reason) for group in groups] == [(5, "ValueError"), (1, "SettingsError")]


def test_each_finished_job_is_counted(workspace, store):
    counts = []
    with listening(lambda event: counts.append(event.done) if event.stage == JOBS else None):
        FlowRunner(workspace, store).run(failing())
    assert counts == [1]


def test_jobs_run_in_the_root_folder_of_the_campaign(workspace, store):
    @job
    def where():
        return str(Path.cwd())

    before = Path.cwd()
    one = where()
    responses = FlowRunner(workspace, store).run(Flow([one]))
    assert responses[one.uuid][1].output == str(workspace.root.resolve())
    assert Path.cwd() == before


def test_traceback_of_a_failed_job_is_in_the_log(workspace, store, tmp_path):
    loggers = [logging.getLogger("jobflow"), logging.getLogger("interphase_flows.runners.local")]
    before = [(each.level, list(each.handlers), each.propagate) for each in loggers]
    with job_log(tmp_path / "jobs.log"):
        FlowRunner(workspace, store).run(failing())
    loggers[0].info("after the block")
    text = (tmp_path / "jobs.log").read_text()
    assert "ValueError: failed on purpose" in text
    assert "Finished job - note" in text
    assert "note is skipped: a parent has failed" in text
    assert "after the block" not in text
    assert [(each.level, list(each.handlers), each.propagate) for each in loggers] == before


def test_log_that_cannot_be_opened_raises_storage_error(tmp_path):
    with (
        pytest.raises(StorageError, match=r"jobs\.log: cannot be written .* Hint"),
        job_log(tmp_path / "absent" / "jobs.log"),
    ):
        pass


def test_no_job_starts_after_a_stop_request(workspace, store):
    """The running job does not look at stop requests and ends."""

    @job
    def signalled(*parents):
        os.kill(os.getpid(), signal.SIGTERM)

    first = signalled()
    with (
        stop_on_signals({signal.SIGTERM: "SIGTERM"}),
        pytest.raises(WalltimeReachedError, match=r"stopped \(SIGTERM\)"),
    ):
        FlowRunner(workspace, store).run(Flow([first, note("second", first.output)]))
    assert ran(workspace.root) == []
