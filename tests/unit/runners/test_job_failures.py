"""What made a job fail can be queried, wherever in the job it was."""

import pytest
from jobflow import Flow, job, run_locally

from interphase_flows.commands.queries import Question, query_campaign
from interphase_flows.exceptions import AnalysisError, WalltimeReachedError
from interphase_flows.jobs.caching import cached
from interphase_flows.runners.local import JOB_LOG, _failure_message, _job_log
from interphase_flows.schemas.analysis import AnalysisDoc

pytestmark = pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")


@job
def choose(index):
    return [1, 2][index]


@job
def analyse():
    def fail() -> AnalysisDoc:
        raise AnalysisError("too few frames")

    return cached("analyses", "k" * 32, AnalysisDoc, fail)


@job
def stop():
    raise WalltimeReachedError("half done")


@pytest.fixture
def run(workspace):
    def run_job(one) -> None:
        store = workspace.job_store()
        store.connect()
        with _job_log(workspace.root / JOB_LOG, workspace.ledger):
            run_locally(Flow([one]), store=store, log=False, root_dir=workspace.root)
        store.close()

    return run_job


def test_a_job_that_fails_before_its_work_has_a_key_is_on_record(workspace, run):
    """With its name, the kind of the error and its words; a repetition counts."""
    for _ in range(2):
        run(choose(7))
    (failure,) = workspace.ledger.find("failures")
    assert failure["failed_key"] == f"{workspace.campaign}/choose"
    assert (failure["failed_kind"], failure["reason"], failure["tries"]) == ("jobs", "IndexError", 2)
    assert failure["details"]["explanation"] == "list index out of range"
    asked = Question("failures", ["failed_kind=jobs"])
    told = query_campaign(workspace.settings, workspace.campaign, asked, None, "table")
    assert "list index out of range" in told


def test_what_its_work_has_written_down_is_not_written_twice(workspace, run):
    """The work's own record has the key to look for."""
    run(analyse())
    (failure,) = workspace.ledger.find("failures")
    assert (failure["failed_kind"], failure["reason"]) == ("analyses", "AnalysisError")


def test_time_that_ran_out_is_no_failure(workspace, run):
    """The campaign stops there, and the next launch goes on."""
    with pytest.raises(BaseException, match="half done"):
        run(stop())
    assert workspace.ledger.find("failures") == []


def test_the_campaign_tells_what_failed_by_name(workspace, run):
    """And only what failed in this campaign, in a database that holds others'."""
    run(choose(7))
    workspace.ledger.campaign = "another"
    workspace.ledger.record_failure("labels", "a", "max_force")
    workspace.ledger.campaign = workspace.campaign
    told = _failure_message(workspace, workspace.campaign, since="2000")
    assert f"jobs {workspace.campaign}/choose: IndexError: list index out of range" in told
    assert "max_force" not in told
