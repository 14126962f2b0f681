"""Speed of a machine: arithmetic with given figures, which speeds a plan uses, and their cache."""

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs import machine_speed
from interphase_flows.costs.campaign_plan import plan_campaign
from interphase_flows.costs.machine_speed import (
    BUILT_IN,
    MachineSpeed,
    StepTime,
    built_in_speed,
    speed_key,
    store_speed,
    stored_speed,
)
from interphase_flows.costs.model import format_size
from interphase_flows.costs.stages import PlannedStage
from interphase_flows.settings import Settings

SPEED = MachineSpeed(
    steps=(
        StepTime(n_atoms=100, step_s=0.01, member_s=0.008),
        StepTime(n_atoms=1100, step_s=0.06, member_s=0.05),
    ),
    training_s_per_atom_epoch=1e-3,
    load_s=0.5,
    segment_s=2.0,
    compile_s=90.0,
    bytes_per_atom_frame=10.0,
    memory_GB=1.0,
    memory_kB_per_atom=50.0,
    surrogate_s={80: 0.5},
    evaluation="compiled",
)
PRODUCTION = {
    "dynamics": {"timestep_fs": 2},
    "relaxation": None,
    "n_replicas": 3,
    "n_segments": 2,
    "steps_per_segment": 1000,
    "frame_interval_steps": 20,
    "uncertainty_interval_steps": 20,
}


def plan(speed=SPEED, **fields):
    campaign = Campaign.model_validate({"name": "unit"} | fields)
    return {stage.stage: stage for stage in plan_campaign(campaign, speed=speed)}


@pytest.mark.parametrize(
    ("n_atoms", "expected_s"),
    [(100, 0.01), (600, 0.035), (1100, 0.06), (11_000, 0.6), (50, 0.0075)],
)
def test_step_time_is_linear_between_sizes_and_proportional_above(n_atoms, expected_s):
    """5e-5 s for each atom and 5 ms for each step."""
    assert SPEED.step_s(n_atoms) == pytest.approx(expected_s)


def test_one_size_scales_in_proportion():
    one = SPEED.model_copy(update={"steps": SPEED.steps[:1]})
    assert one.step_s(300) == pytest.approx(0.03)


def test_committee_adds_its_further_members_at_their_interval():
    assert SPEED.step_s(100, n_members=4, interval_steps=20) == pytest.approx(0.01 + 3 * 0.008 / 20)


def test_largest_cell_follows_from_memory_per_atom():
    assert SPEED.memory_of_GB(20_000) == pytest.approx(2.0)
    assert SPEED.largest_cell(7.16) == 120_000
    assert SPEED.largest_cell(0.5) == 0


def test_production_takes_time_files_and_memory_of_the_measured_speed():
    stage = plan(production=PRODUCTION, committee={"n_members": 3})["production"]
    step_s = SPEED.step_s(84, 3, 20)
    assert stage.cost_s == pytest.approx(3 * (2000 * step_s + 2 * 2.0) + 3 * 0.5), "one process loads three members"
    assert stage.wall_s(2) == pytest.approx(2 / 3 * stage.cost_s)
    assert stage.wall_s(3) == stage.wall_s(8) == pytest.approx(stage.cost_s / 3)
    frames_GB = 3 * 84 * 100 * 10 / 1e9
    assert frames_GB < stage.disk_GB < 20 * frames_GB
    assert stage.memory_GB == pytest.approx(1.0 + 84 * 50e-6)
    assert stage.cost_factor == SPEED.factor < BUILT_IN.factor


def test_relaxation_of_the_start_is_part_of_production():
    relaxed = plan(production=PRODUCTION | {"relaxation": {"max_steps": 100}})["production"]
    without = plan(production=PRODUCTION)["production"]
    assert relaxed.cost_s / without.cost_s == pytest.approx(2100 / 2000, rel=0.01)


def test_compilation_is_a_stage_where_it_takes_time():
    stage = plan()["compilation"]
    assert (stage.cost_s, stage.wall_s(1), stage.wall_s(2)) == (90.0, 90.0, 45.0)
    assert "compilation" not in plan(BUILT_IN)
    done = plan(SPEED.model_copy(update={"is_graph_shared": True}))["compilation"]
    assert done.cost_s == 0
    assert done.amount.endswith("in 90 s")


def test_training_scales_with_the_measured_rate():
    faster = SPEED.model_copy(update={"training_s_per_atom_epoch": 0.5e-3})
    assert plan(faster)["training"].cost_s == pytest.approx(plan()["training"].cost_s / 2)


def test_labels_of_the_surrogate_cost_what_was_measured():
    slow = SPEED.model_copy(update={"surrogate_s": {80: 5.0}})
    for stage in ("initial labels", "labels of the loop", "initial dynamics"):
        assert plan(slow)[stage].cost_s == pytest.approx(10 * plan()[stage].cost_s, rel=0.2)


def test_jobs_without_a_number_share_the_workers():
    stage = PlannedStage("labels", "", 30.0, n_jobs=None)
    assert stage.wall_s(4) == 7.5


def test_speed_is_cached_by_architecture_and_machine(tmp_path, monkeypatch):
    settings, campaign = Settings(root=tmp_path), Campaign(name="unit")
    assert stored_speed(campaign, settings) is None
    store_speed(campaign, settings, SPEED)
    assert stored_speed(campaign, settings) == SPEED
    assert stored_speed(Campaign(name="other", seed=5), settings) == SPEED
    wider = Campaign.model_validate({"name": "unit", "committee": {"model": {"n_features": 32}}})
    assert stored_speed(wider, settings) is None
    assert stored_speed(campaign, Settings(root=tmp_path, n_threads=2)) is None
    monkeypatch.setattr(machine_speed, "machine_type", lambda device: "another")
    assert stored_speed(campaign, settings) is None


def test_much_larger_cells_are_measured_again(tmp_path):
    """Measured up to 1100 atoms: used up to 3300."""
    settings = Settings(root=tmp_path)
    cells = {"facets": ["110/001"], "electrode_angstrom": 30, "electrolyte_angstrom": 30}
    of_size = {
        length: Campaign.model_validate(
            {"name": "unit", "production": {"interface": cells | {"lateral_angstrom": length}}}
        )
        for length in (14, 60)
    }
    assert len({speed_key(campaign, settings) for campaign in of_size.values()}) == 1
    store_speed(of_size[14], settings, SPEED)
    assert stored_speed(of_size[14], settings) == SPEED
    assert stored_speed(of_size[60], settings) is None


def test_surrogate_is_measured_where_a_campaign_uses_it(tmp_path):
    settings, without = Settings(root=tmp_path), SPEED.model_copy(update={"surrogate_s": {}})
    store_speed(Campaign(name="unit"), settings, without)
    assert stored_speed(Campaign(name="unit"), settings) is None
    own = {"name": "unit", "reference": "gpaw", "structures": {"dynamics_method": "reference"}}
    assert stored_speed(Campaign.model_validate(own), settings) == without


def test_built_in_speed_of_another_architecture_is_uncertain_by_more():
    wide = Campaign.model_validate({"name": "unit", "committee": {"model": {"n_features": 64}}})
    assert built_in_speed(Campaign(name="unit")) == BUILT_IN
    assert built_in_speed(wide).factor >= 10


def test_damaged_cache_is_measured_again(tmp_path):
    settings, campaign = Settings(root=tmp_path), Campaign(name="unit")
    store_speed(campaign, settings, SPEED)
    (path,) = (tmp_path / machine_speed.FOLDER).iterdir()
    path.write_text("{")
    assert stored_speed(campaign, settings) is None


@pytest.mark.parametrize(
    ("size_GB", "text"), [(1e-5, "< 1 MB"), (0.02, "20 MB"), (3.456, "3.46 GB"), (2500.0, "2.5 TB")]
)
def test_sizes_have_a_suitable_unit(size_GB, text):
    assert format_size(size_GB) == text


def test_production_cell_of_the_size_of_the_labelled_one_gives_a_finite_time():
    row = SPEED.steps[0]
    once, twice = (SPEED.model_copy(update={"steps": rows}) for rows in ((row,), (row, row)))
    assert twice.step_s(50) == pytest.approx(once.step_s(50))
