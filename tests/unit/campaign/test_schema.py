"""What a campaign file may say."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.campaign.schema import Campaign, LearningSpec
from interphase_flows.campaign.structures import CrystalSpec
from interphase_flows.campaign.template_files import TEMPLATES, write_templates
from interphase_flows.campaign.transport_grid import LEAST_FRAMES
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.campaign.yaml_file import load_yaml_model
from interphase_flows.exceptions import CampaignFileError, InputError, UnsupportedWindowError


def refused(**fields) -> str:
    """What is told of a campaign with these fields."""
    with pytest.raises(ValidationError) as caught:
        Campaign.model_validate({"name": "unit"} | fields)
    return str(caught.value)


def test_a_name_is_enough():
    """Everything else has a default that can be run."""
    campaign = Campaign(name="unit")
    check_campaign(campaign)
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


def test_a_segment_whose_document_would_be_too_large_is_refused():
    """Before a million steps are done for nothing; the interval that would do is named."""
    long = {"steps_per_segment": 1_000_000, "watch_interval_steps": 20, "frame_interval_steps": 20}
    told = refused(production=long)
    assert "at most 30000 watches" in told
    assert "watch every 34 steps or more" in told
    Campaign(name="unit", production=long | {"watch_interval_steps": 34, "frame_interval_steps": 34})
    assert "steps_per_iteration = 400000, watch every 14 steps" in refused(
        exploration={"steps_per_iteration": 400_000}
    )


@pytest.mark.parametrize("name", ["", "../elsewhere", "a/b", ".hidden", "x" * 81, "with space"])
def test_a_name_is_the_name_of_a_folder(name):
    """Nothing is written outside the root."""
    assert "name" in refused(name=name)


def test_an_end_that_is_no_phase_is_refused():
    """Every phase must be trained on, the electrode first."""
    assert "electrode 'Na' is not among phases" in refused(electrode="Na")


def test_levels_and_iterations_must_be_in_order():
    """A frame is collected before it halts a segment."""
    with pytest.raises(ValidationError, match="collected before it halts"):
        LearningSpec(select_force_error_eV_per_angstrom=2.0, stop_force_error_eV_per_angstrom=1.0)
    with pytest.raises(ValidationError, match="min_iterations must not exceed"):
        LearningSpec(min_iterations=9, max_iterations=2)


def test_a_quench_is_not_hotter_than_its_melt():
    """And a packing has a composition."""
    schedule = {"melt_temperature_K": 300, "quench_temperature_K": 1500}
    told = refused(exploration={"melt_quench": schedule})
    assert "quench_temperature_K (1500) must not be above melt_temperature_K (300)" in told
    assert "electrode_fractions" in refused(exploration={"melt_quench": {"electrode_fractions": []}})


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (
            {"n_segments": 1, "steps_per_segment": 500},
            "leave 50 frames, and fewer than 51 support no transport",
        ),
        (
            {"melt_temperature_K": 200},
            "quench_temperature_K (300) must not be above melt_temperature_K (200)",
        ),
        ({"electrode_fractions": [0.5, 0.5]}, "electrode_fractions [0.5, 0.5] holds a number twice"),
        ({"temperatures_K": [600, 800, 600]}, "temperatures_K [600.0, 800.0, 600.0] holds a number twice"),
        ({"electrode_fractions": [0.5]}, "at least 2 items"),
        ({"electrode_fractions": [0.5, 1.0]}, "less than 1"),
        ({"temperatures_K": [600, 800]}, "at least 3 items"),
        (
            {"watch_interval_steps": 1, "melt_steps": 40_000},
            "with melt_steps = 40000, watch every 2 steps or more",
        ),
    ],
)
def test_a_transport_grid_that_could_say_nothing_is_refused(block, told):
    """Too few frames for any number, too few temperatures for a line, one composition."""
    assert told in refused(transport_grid=block)


def test_the_least_frames_are_those_of_the_estimator():
    """Which the schema does not import, because a status must not load it."""
    still = ArrayFrames(
        np.array([3, 16]), 10.0 * np.arange(LEAST_FRAMES), np.zeros((LEAST_FRAMES, 2, 3)), np.eye(3)
    )
    assert onsager_matrix(still, temperature_K=300.0, step_ps=0.01).n_steps == LEAST_FRAMES - 1
    with pytest.raises(UnsupportedWindowError):
        onsager_matrix(still, temperature_K=300.0, step_ps=0.01, end_frame=LEAST_FRAMES - 1)


def test_a_grid_is_run_only_if_the_file_has_its_block():
    """Even an empty one: then with its defaults. Its steps are counted."""
    assert Campaign(name="unit").transport_grid is None
    grid = Campaign.model_validate({"name": "unit", "transport_grid": {}}).transport_grid
    assert grid is not None
    assert grid.n_cells == 12
    assert grid.n_steps == 12 * (5_000 + 5_000 + 4 * (5_000 + 4 * 25_000))


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": -1},
        {"exploration": {"dynamics": {"temperature_K": 0}}},
        {"exploration": {"dynamics": {"timestep_fs": 20}}},
        {"production": {"n_replicas": 0}},
        {"committee": {"n_members": 1}},
        {"learning": {"test_fraction": 0.6}},
        {"reference": {"method": "dft"}},
        {"gates": {"max_force": 3}},
    ],
)
def test_values_out_of_range_and_unknown_keys_are_refused(fields):
    """Each is an error where it stands, not a default."""
    (key,) = fields
    assert key in refused(**fields)


def test_a_campaign_cannot_be_changed_after_it_was_checked():
    """Frozen, down to its parts."""
    campaign = Campaign(name="unit")
    with pytest.raises(ValidationError):
        campaign.seed = 5
    with pytest.raises(ValidationError):
        campaign.learning.max_labels = 1


def test_structure_files_are_found_from_the_campaign_files_folder():
    """Jobs run in folders of their own: a relative path would be another file there."""
    campaign = Campaign(name="unit", structure_files={"X": "cells/x.cif", "Y": "/abs/y.cif"})
    assert campaign.with_absolute_files(Path("/there")).structure_files == {
        "X": "/there/cells/x.cif",
        "Y": "/abs/y.cif",
    }


def test_templates_are_campaigns(tmp_path):
    """What `interphase init` writes can be run as it is."""
    written = write_templates(tmp_path / "new")
    assert [path.name for path in written] == list(TEMPLATES.values())
    check_campaign(load_yaml_model(tmp_path / "new" / "campaign.yaml", Campaign))
    with pytest.raises(InputError, match="already there"):
        write_templates(tmp_path / "new")


def test_all_mistakes_of_a_campaign_are_told_at_once():
    """Unknown phase, file for nothing, wrong pair for the laptop's cell, too few trajectories, no pure element."""
    campaign = Campaign.model_validate(
        {
            "name": "unit",
            "electrode": "Li3P",
            "phases": ["Li3P", "Li7P3S11", "Unobtainium"],
            "hull_phases": ["P"],
            "structure_files": {"Nothing": "/none.cif"},
            "structures": {"interfaces": {"snapshots": {"temperatures_K": [300]}}},
            "exploration": {"n_melt_quench_walkers": 1, "melt_quench": {"n_atoms": 11}},
            "transport_grid": {"n_atoms": 13},
        }
    )
    with pytest.raises(CampaignFileError) as caught:
        check_campaign(campaign)
    told = str(caught.value)
    parts = ("Unobtainium", "structure_files.Nothing", "size: smallest", "temperatures_K", "pure element Li")
    for part in (*parts, "exploration.melt_quench: n_atoms=11", "transport_grid: n_atoms=13"):
        assert part in told


def test_defaults_of_one_campaign_are_not_shared_with_another():
    """A list given as a default is copied."""
    Campaign(name="a").phases.append("X")
    assert "X" not in Campaign(name="b").phases
    assert CrystalSpec() == Campaign(name="c").structures.crystals
