"""A job that runs although an earlier job failed has all inputs that it needs, or reports which are missing."""

import pytest
from jobflow import Flow, JobStore, OnMissing, job
from maggma.stores import MemoryStore

from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.jobs.inputs import open_job
from interphase_flows.runners.local.flow_runner import FlowRunner

pytestmark = pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")


@job
def first():
    raise OSError(28, "No space left on device")


@job
def gather(dataset: dict, models: list[dict | None], note: "dict | None" = None):
    return len(dataset) + len(models)


@open_job()
def gather_open(dataset: dict, models: list[dict | None]):
    return len(dataset)


@job
def tolerates(dataset: dict | None, models: list[dict | None], note: dict | None):
    return [dataset, models, note]


def run(workspace, *jobs):
    with JobStore(MemoryStore()) as store:
        return FlowRunner(workspace, store).run(Flow(list(jobs)))


def tolerant(made):
    made.config.on_missing_references = OnMissing.NONE
    return made


@pytest.mark.parametrize("function", [gather, gather_open])
def test_failure_of_a_tolerant_job_names_the_missing_input_and_the_failed_job(function, workspace):
    failing = first()
    needing = tolerant(function(failing.output, [failing.output]))
    needing.name = "committee 0"
    after = tolerant(gather(needing.output, []))
    run(workspace, failing, needing, after)
    found = {each["failed_key"]: each for each in workspace.ledger.find("failures", {"failed_kind": "jobs"})}
    failure = found[f"{workspace.campaign}/committee 0"]
    assert failure["reason"] == "MissingInputError"
    assert "input dataset is missing: these jobs failed: first" in failure["details"]["explanation"]
    assert "failed: committee 0" in found[f"{workspace.campaign}/gather"]["details"]["explanation"]


def test_optional_inputs_may_be_missing(workspace):
    failing = first()
    runs = tolerant(tolerates(failing.output, [failing.output], failing.output))
    assert run(workspace, failing, runs)[runs.uuid][1].output == [None, [None], None]


def test_committee_without_its_dataset_is_not_run(workspace):
    failing = first()
    failing.name = "dataset 0"
    members, committee = ActiveLearningMaker().training(failing.output, None, 0, None)
    run(workspace, failing, *members, committee)
    (failure,) = workspace.ledger.find("failures", {"failed_key": f"{workspace.campaign}/committee 0"})
    assert failure["reason"] == "MissingInputError"
    assert "dataset 0" in failure["details"]["explanation"]
