"""Failures of jobs in the ledger, where users query them."""

import pytest
from jobflow import Flow, job

from interphase_flows.commands.queries import DocumentQuery, query_campaign
from interphase_flows.exceptions import AnalysisError, WalltimeReachedError
from interphase_flows.jobs.caching import cached
from interphase_flows.runners.local.campaign import _failure_message
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.schemas.potential_errors import LearningCurveDoc


@job
def choose(index):
    return [1, 2][index]


@job
def analyse():
    def fail() -> LearningCurveDoc:
        raise AnalysisError("too few frames")

    return cached("learning_curves", "k" * 32, LearningCurveDoc, fail)


@job
def stop():
    raise WalltimeReachedError("half done")


@pytest.fixture
def run(workspace):
    store = workspace.open_job_store()
    yield lambda one: FlowRunner(workspace, store).run(Flow([one]))
    store.close()


def test_failure_outside_cached_work_is_recorded_under_the_job_name(workspace, run):
    for _ in range(2):
        run(choose(7))
    (failure,) = workspace.ledger.find("failures")
    assert failure["failed_key"] == f"{workspace.campaign}/choose"
    assert (failure["failed_kind"], failure["reason"], failure["tries"]) == ("jobs", "IndexError", 2)
    assert failure["details"]["explanation"] == "list index out of range"
    query = DocumentQuery("failures", ["failed_kind=jobs"])
    table = query_campaign(workspace.settings, workspace.campaign, query, None, "table")
    assert "list index out of range" in table


def test_failure_of_cached_work_is_recorded_once_under_its_key(workspace, run):
    run(analyse())
    (failure,) = workspace.ledger.find("failures")
    assert (failure["failed_kind"], failure["reason"]) == ("learning_curves", "AnalysisError")


def test_reached_walltime_is_not_a_failure(workspace, run):
    with pytest.raises(WalltimeReachedError, match="half done"):
        run(stop())
    assert workspace.ledger.find("failures") == []


def test_failure_message_names_failed_jobs_of_this_campaign_only(workspace, run):
    run(choose(7))
    workspace.ledger.campaign = "another"
    workspace.ledger.record_failure("labels", "a", "max_force")
    workspace.ledger.campaign = workspace.campaign
    message = _failure_message(workspace, since="2000")
    assert f"jobs {workspace.campaign}/choose: IndexError: list index out of range" in message
    assert "max_force" not in message
