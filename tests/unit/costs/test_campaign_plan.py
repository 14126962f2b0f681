"""Plan of a campaign, predicted from its file."""

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.campaign_plan import plan_campaign
from interphase_flows.costs.model import LabelCostModel
from interphase_flows.costs.plan import plan_labels


def plan(**fields):
    return {stage.stage: stage for stage in plan_campaign(Campaign.model_validate({"name": "unit"} | fields))}


def test_every_stage_has_amount_cost_and_uncertainty():
    stages = plan()
    assert len(stages) == 11
    assert all(stage.cost_s > 0 and stage.amount and stage.cost_factor > 1 for stage in stages.values())


def test_numbers_of_labels_follow_from_the_file():
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
    assert stages["initial labels"].amount.startswith(f"{3 * (3 + 7) + 2 * 7 * 4 + 11 + 3 * 2} ")
    assert stages["labels of the loop"].amount == "up to 10"


def test_label_budget_limits_the_loop():
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
def test_cost_of_a_stage_grows_with_its_size(stage, fields):
    assert plan(**fields)[stage].cost_s > 1.5 * plan()[stage].cost_s


def test_exploration_includes_melt_quench_walkers_with_their_schedule():
    """Ten iterations of at most 200 steps: 200, 100, 200, 100 per packing, and so on."""
    schedule = {"melt_steps": 300, "quench_steps": 300, "n_atoms": 66}
    stages = plan(exploration={"n_melt_quench_walkers": 2, "melt_quench": schedule})
    assert (
        "2 more walkers melt and quench packings of 66 atoms (300 steps at 1500 K, 300 steps at 300 K): "
        "up to 1500 steps each"
    ) in stages["exploration"].amount
    assert stages["exploration"].cost_s > plan()["exploration"].cost_s
    assert "melt" not in plan()["exploration"].amount


def test_transport_grid_is_planned_with_its_steps():
    grid = {
        "electrode_fractions": [0.1, 0.5],
        "n_per_fraction": 2,
        "n_atoms": 90,
        "temperatures_K": [700, 900, 1100],
        "melt_steps": 300,
        "quench_steps": 200,
        "equilibration_steps": 100,
        "n_segments": 2,
        "steps_per_segment": 1000,
    }
    stage = plan(transport_grid=grid)["transport grid"]
    assert stage.amount == (
        "4 cells of 90 atoms (x = 0.07, 0.53), melted and quenched in 500 steps, each at 3 temperatures x 2100 steps "
        "(4 ps measured): "
        "27200 steps"
    )
    more = plan(transport_grid=grid | {"n_per_fraction": 4})["transport grid"]
    assert more.cost_s == pytest.approx(2 * stage.cost_s)
    assert "transport grid" not in plan()


def test_grid_shows_compositions_rounded_to_formula_units():
    """In 90 atoms of lithium and Li7P3S11, two of the four default compositions coincide."""
    assert "12 cells of 135 atoms (x = 0.07, 0.22, 0.38, 0.53)" in plan(transport_grid={})["transport grid"].amount
    assert (
        "12 cells of 90 atoms (x = 0.07, 0.30, 0.53)" in plan(transport_grid={"n_atoms": 90})["transport grid"].amount
    )


def test_phase_reference_runs_are_planned():
    """Twice Li2S, once with P, twice the melt, once the electrolyte; 80 steps each, 145 if molten."""
    stage = plan(phases=["Li", "Li2S", "Li7P3S11"])["phase reference runs"]
    assert stage.amount.startswith("6 of ")
    assert stage.amount.endswith(f"at 300 K: {4 * 80 + 2 * 145} steps")
    assert stage.cost_s > 1
    assert plan()["phase reference runs"].cost_s > stage.cost_s
    nothing = plan(phases=["Li", "Li7P3S11"])["phase reference runs"]
    assert nothing.cost_s == 0
    assert nothing.amount.startswith(
        "none, so that atoms are not assigned to phases: none of the phases Li, Li7P3S11 has anions"
    )


def test_finished_labels_correct_the_plan_and_reduce_its_uncertainty():
    """The machine is ten times slower than that of the prior."""
    campaign = Campaign(name="unit", reference="gpaw")
    sizes = plan_labels(campaign).initial
    prior = LabelCostModel("gpaw")
    slow = LabelCostModel("gpaw", sizes, [10 * prior.estimate_s(size) for size in sizes])

    def initial_labels(costs):
        (stage,) = (stage for stage in plan_campaign(campaign, costs) if stage.stage == "initial labels")
        return stage

    assert initial_labels(slow).cost_s == pytest.approx(10 * initial_labels(None).cost_s, rel=0.2)
    assert initial_labels(slow).cost_factor < initial_labels(None).cost_factor


def test_initial_dynamics_cost_as_much_as_their_method():
    surrogate = plan(reference="gpaw")["initial dynamics"]
    own = plan(reference="gpaw", structures={"dynamics_method": "reference"})["initial dynamics"]
    assert "chgnet" in surrogate.amount
    assert "gpaw" in own.amount
    assert own.cost_s > 50 * surrogate.cost_s


def test_all_kinds_of_initial_structures_are_planned_within_the_limit():
    """Volumes, vacancies and slabs of three phases; dimers of the pairs of Li, P, S; isolated atoms."""
    structures = {
        "crystals": {"n_per_phase": 0},
        "equations_of_state": {"n_volumes": 5},
        "vacancies": {"n_per_phase": 2},
        "slabs": {"n_per_phase": 1},
        "dimers": {"n_distances": 4, "isolated_atoms": True},
        "amorphous": {"n_per_fraction": 0},
        "interfaces": {
            "n_as_built": 1,
            "facets": ["110/001"],
            "gaps_angstrom": [2.2, 2.5],
            "snapshots": {"n_steps": 4},
        },
    }
    fields = {"name": "unit", "phases": ["Li", "Li2S", "Li7P3S11"], "structures": structures}
    campaign = Campaign.model_validate(fields)
    sizes = plan_labels(campaign).initial
    assert len(sizes) == 3 * (1 + 5 + 2 + 1) + 2 * 5 * 4 + 6 * 4 + 3 + 2
    few = Campaign.model_validate(fields | {"structures": structures | {"max_first_labels": 10}})
    kept = plan_labels(few).initial
    assert len(kept) == 10
    assert set(kept) <= set(sizes)


def test_production_length_is_given_in_picoseconds():
    stages = plan(production={"n_segments": 2, "steps_per_segment": 500, "dynamics": {"timestep_fs": 2.0}})
    assert "(2 ps)" in stages["production"].amount
