"""The plan of a campaign, from its file alone."""

import pytest

from interphase_flows.campaigns.plan import plan_campaign
from interphase_flows.campaigns.schema import Campaign


def plan(**fields):
    return {stage.stage: stage for stage in plan_campaign(Campaign.model_validate({"name": "unit"} | fields))}


def test_every_stage_costs_something():
    """And says how much there is of it."""
    stages = plan()
    assert len(stages) == 6
    assert all(stage.cost_s > 0 and stage.amount for stage in stages.values())


def test_numbers_are_those_of_the_file():
    """Labels of the start are counted, those of the loop are the most there can be."""
    stages = plan(
        phases=["Li", "Li2S", "Li7P3S11"],
        structures={
            "crystals": {"n_per_phase": 2},
            "amorphous": {"electrode_fractions": [0.5], "n_per_fraction": 1, "snapshot_interval_steps": 5},
            "interfaces": {
                "snapshots": {"temperatures_K": [300, 400, 500], "n_steps": 10, "snapshot_interval_steps": 5}
            },
        },
        learning={"max_iterations": 2, "labels_per_iteration": 3, "audit_labels_per_iteration": 2},
    )
    assert stages["first labels"].amount.startswith(f"{3 * 3 + 11 + 3 * 2} ")
    assert stages["labels of the loop"].amount == "up to 10"


def test_the_budget_of_labels_caps_the_loop():
    """Nothing left is nothing spent."""
    assert plan(learning={"max_labels": 1})["labels of the loop"].cost_s == 0


@pytest.mark.parametrize(
    ("stage", "fields"),
    [
        ("production", {"production": {"n_replicas": 6}}),
        ("training", {"committee": {"n_members": 6}}),
        ("exploration", {"exploration": {"steps_per_iteration": 400}}),
        ("labels of the loop", {"learning": {"max_iterations": 20}}),
    ],
)
def test_twice_as_much_costs_more(stage, fields):
    """The stage that grows, grows."""
    assert plan(**fields)[stage].cost_s > 1.5 * plan()[stage].cost_s


def test_production_is_told_in_picoseconds():
    """Steps times the time step."""
    stages = plan(production={"n_segments": 2, "steps_per_segment": 500, "dynamics": {"timestep_fs": 2.0}})
    assert "(2 ps)" in stages["production"].amount
