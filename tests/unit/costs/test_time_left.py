"""Time left of a campaign, from its plan and from what its ledger has."""

import json

import pytest

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli.status import status_parts
from interphase_flows.commands.status import PROGRESS_FILE, campaign_status, running_steps
from interphase_flows.costs.budget import RemainingLabels
from interphase_flows.costs.campaign_plan import plan_campaign
from interphase_flows.costs.machine_speed import BUILT_IN, store_speed
from interphase_flows.costs.stages import COMPILATION, EXPLORATION, PRODUCTION, TRAINING
from interphase_flows.costs.time_left import fractions_left, time_left

NO_LABELS = RemainingLabels(0, 0, 0.0, 1.0, 0)
CAMPAIGN = Campaign.model_validate(
    {
        "name": "unit",
        "production": {"n_replicas": 2, "n_segments": 2, "steps_per_segment": 1000},
        "committee": {"n_members": 2, "training": {"max_epochs": 30, "warm_start_epochs": 10}},
        "learning": {"max_iterations": 3},
    }
)


@pytest.fixture
def segments(started):
    """Return a function that adds a segment of production."""

    def add(run_id: str, first_step: int, last_step: int, **changes) -> None:
        key = f"{run_id}-{first_step}"
        span = {"key": key, "role": "production", "first_step": first_step, "last_step": last_step}
        started.ledger.put("segments", key, documents.segment(run_id, **span | changes))

    return add


def end_loop(workspace) -> None:
    last = documents.iteration("i2", 2).model_copy(update={"decision": "converged"})
    workspace.ledger.put("iterations", "i2", last)


def left(workspace, running=None) -> dict[str, float]:
    return fractions_left(workspace, CAMPAIGN, running or {})


def test_everything_is_left_of_a_campaign_without_documents(workspace):
    found = left(workspace)
    assert {found[stage] for stage in (TRAINING, EXPLORATION, PRODUCTION, COMPILATION)} == {1.0}


def test_training_has_the_epochs_of_the_models_that_are_missing(started):
    """Two of 30 epochs and one of 10 are done, of 2 x (30 + 3 x 10)."""
    model = documents.committee().models[0]
    for number in range(3):
        started.ledger.put("models", f"m{number}", model.model_copy(update={"key": f"m{number}"}))
    assert left(started)[TRAINING] == pytest.approx(1 - 70 / 120)
    end_loop(started)
    assert left(started)[TRAINING] == left(started)[EXPLORATION] == 0.0


def test_production_has_the_steps_that_are_missing(started, segments):
    end_loop(started)
    segments("replica-0", 0, 1000)
    assert left(started)[PRODUCTION] == pytest.approx(3 / 4)
    assert left(started, {"production": 500})[PRODUCTION] == pytest.approx(5 / 8)
    segments("replica-1", 0, 200, stop_reason="void")
    assert left(started)[PRODUCTION] == pytest.approx(1 / 4)
    segments("replica-0", 1000, 2000)
    assert left(started)[PRODUCTION] == 0.0


def test_production_with_an_earlier_committee_does_not_count(started, segments):
    end_loop(started)
    segments("replica-0", 0, 1000, committee_key="of a refinement")
    assert left(started)[PRODUCTION] == 1.0


def test_compilation_is_done_once_there_is_a_committee(started):
    assert left(started)[COMPILATION] == 1.0
    started.ledger.put("committees", "first", documents.committee("first"))
    assert left(started)[COMPILATION] == 0.0


def test_time_left_is_that_of_the_plan_with_all_workers(started, segments):
    end_loop(started)
    segments("replica-0", 0, 1000)
    found = time_left(started, CAMPAIGN, NO_LABELS, 2, None)
    planned = {stage.stage: stage for stage in plan_campaign(CAMPAIGN)}
    by_stage = {stage.stage: stage for stage in found.stages}
    assert by_stage[PRODUCTION].cost_s == pytest.approx(0.75 * planned[PRODUCTION].cost_s)
    assert by_stage[PRODUCTION].wall_s == pytest.approx(0.75 * planned[PRODUCTION].cost_s / 2)
    assert found.wall_s == pytest.approx(sum(stage.wall_s for stage in found.stages))
    assert not found.is_measured
    labels = RemainingLabels(5, 0, 40.0, 1.2, 9)
    more = time_left(started, CAMPAIGN, labels, 2, None)
    assert more.cost_s - found.cost_s == pytest.approx(40.0)


def test_steps_of_running_segments_are_those_of_all_workers():
    workers = {
        "1": {"job": "production", "stage": "production replica-0", "done": 300, "total": 1000, "detail": ""},
        "2": {"job": "production", "stage": "production replica-1", "done": 200, "total": 1000, "detail": ""},
        "3": {"job": "train", "stage": "train committee member 0", "done": 3, "total": 10, "detail": ""},
    }
    progress = {"stage": "labels", "done": 1, "total": 2, "detail": "", "jobs": 4, "at": "", "workers": workers}
    assert running_steps(progress) == {"production": 500}
    alone = progress | {"workers": {}, "stage": "audit audit-2", "done": 40}
    assert running_steps(alone) == {"audit": 40}


def test_status_prints_the_time_left_and_which_speeds_it_uses(settings, started):
    progress = {"stage": "", "done": 0, "total": 0, "detail": "", "jobs": 0, "at": "", "workers": {"1": {}, "2": {}}}
    idle = {"job": "", "stage": "", "done": 0, "total": 0, "detail": ""}
    progress["workers"] = {"1": idle, "2": idle}
    (started.root / PROGRESS_FILE).write_text(json.dumps(progress))

    def line() -> str:
        (found,) = (
            part for part in status_parts(campaign_status(settings, "unit")) if str(part).startswith("time left")
        )
        return found

    assert " with 2 workers (" in line()
    assert line().endswith("built-in speeds; interphase run FILE --dry-run measures this machine")
    store_speed(Campaign(name="unit"), settings, BUILT_IN.model_copy(update={"surrogate_s": {84: 0.1}}))
    assert line().endswith("measured speed")


def test_time_left_of_a_campaign_whose_interface_cannot_be_built_is_planned_without_it(settings, started):
    """Its generator fails, and the campaign continues without it."""
    spec = Campaign.model_validate({"name": "unit", "structures": {"interfaces": {"max_strain": 1e-4}}})
    state = started.ledger.get("campaigns", "unit")
    started.ledger.set_state("campaigns", "unit", state | {"spec": spec.model_dump(mode="json")})
    found = campaign_status(settings, "unit")
    assert found.time_left is not None
    assert found.time_left.cost_s > 0.0
