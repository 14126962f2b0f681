"""Schema and validation of campaign files."""

import errno
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.campaign.schema import Campaign, LearningSpec
from interphase_flows.campaign.structures import CrystalSpec
from interphase_flows.campaign.template_files import TEMPLATES, write_templates
from interphase_flows.campaign.transport_grid import MIN_FRAMES
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import CampaignFileError, DiskFullError, InputError, UnsupportedWindowError


def validation_error(**fields) -> str:
    """Return the validation error of a campaign with these fields."""
    with pytest.raises(ValidationError) as caught:
        Campaign.model_validate({"name": "unit"} | fields)
    return str(caught.value)


def test_campaign_with_only_a_name_is_valid():
    campaign = Campaign(name="unit")
    check_campaign(campaign)
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


def test_segment_with_too_many_uncertainty_evaluations_is_rejected():
    long = {"steps_per_segment": 1_000_000, "uncertainty_interval_steps": 20, "frame_interval_steps": 20}
    message = validation_error(production=long)
    assert "at most 30000 evaluations" in message
    assert "an interval of at least 34 steps" in message
    Campaign(name="unit", production=long | {"uncertainty_interval_steps": 34, "frame_interval_steps": 34})
    assert "steps_per_iteration = 400000, use an interval of at least 14 steps" in validation_error(
        exploration={"steps_per_iteration": 400_000}
    )


def test_barostat_keys_need_the_ensemble_npt():
    message = validation_error(exploration={"dynamics": {"pressure_GPa": 1.0, "axes": "isotropic"}})
    assert "pressure_GPa, axes: without effect at ensemble nvt" in message
    message = validation_error(exploration={"dynamics": {"ensemble": "npt", "barostat_time_fs": 50}})
    assert "must be at least 50 time steps" in message
    assert "ensemble" in validation_error(production={"dynamics": {"ensemble": "nph"}})
    assert "pressure_GPa" in validation_error(production={"dynamics": {"ensemble": "nvt", "pressure_GPa": 1}})
    campaign = Campaign(name="unit", exploration={"dynamics": {"ensemble": "npt", "pressure_GPa": 1}})
    assert campaign.exploration.dynamics.axes == "normal"
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


def test_production_has_constant_normal_pressure_and_a_relaxed_start_by_default():
    for production in ({}, {"dynamics": {"temperature_K": 400}}):
        campaign = Campaign(name="unit", production=production)
        dynamics = campaign.production.dynamics
        assert (dynamics.ensemble, dynamics.axes, dynamics.pressure_GPa) == ("npt", "normal", 0.0)
        assert campaign.production.relaxation is not None
    campaign = Campaign(name="unit", production={"dynamics": {"ensemble": "nvt"}, "relaxation": None})
    assert (campaign.production.dynamics.ensemble, campaign.production.relaxation) == ("nvt", None)
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


def test_content_keys_of_constant_volume_have_no_barostat():
    """Results of campaigns without a barostat stay valid; at constant pressure every setting counts."""
    stated = {"temperature_K": 300.0, "timestep_fs": 1.0, "friction_per_ps": 10.0}
    constant_volume = DynamicsSpec(**stated)
    assert content_key("segments", dynamics=constant_volume) == content_key("segments", dynamics=stated)
    assert content_key("segments", dynamics=constant_volume) == "2fd40588566dcfcc1c7f6c0d481662d1"
    settings = [
        {},
        {"pressure_GPa": 1.0},
        {"axes": "isotropic"},
        {"barostat_time_fs": 500.0},
        {"bulk_modulus_GPa": 12.0},
    ]
    specs = [constant_volume, *(DynamicsSpec(ensemble="npt", **stated, **changed) for changed in settings)]
    assert len({content_key("segments", dynamics=spec) for spec in specs}) == len(specs)


@pytest.mark.parametrize("name", ["", "../elsewhere", "a/b", ".hidden", "x" * 81, "with space"])
def test_name_must_be_valid_as_a_folder(name):
    assert "name" in validation_error(name=name)


def test_electrode_must_be_among_the_phases():
    assert "electrode 'Na' is not among phases" in validation_error(electrode="Na")


def test_thresholds_and_iterations_must_be_ordered():
    with pytest.raises(ValidationError, match="selected before it stops"):
        LearningSpec(select_force_error_eV_per_angstrom=2.0, stop_force_error_eV_per_angstrom=1.0)
    with pytest.raises(ValidationError, match="min_iterations must not exceed"):
        LearningSpec(min_iterations=9, max_iterations=2)


def test_quench_temperature_must_not_exceed_melt_temperature():
    schedule = {"melt_temperature_K": 300, "quench_temperature_K": 1500}
    message = validation_error(exploration={"melt_quench": schedule})
    assert "quench_temperature_K (1500) must not be above melt_temperature_K (300)" in message
    assert "electrode_fractions" in validation_error(exploration={"melt_quench": {"electrode_fractions": []}})


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"n_segments": 1, "steps_per_segment": 500},
            "give 50 frames, but a transport coefficient needs at least 51",
        ),
        (
            {"melt_temperature_K": 200},
            "quench_temperature_K (300) must not be above melt_temperature_K (200)",
        ),
        ({"electrode_fractions": [0.5, 0.5]}, "electrode_fractions [0.5, 0.5] contains a number twice"),
        ({"temperatures_K": [600, 800, 600]}, "temperatures_K [600.0, 800.0, 600.0] contains a number twice"),
        ({"electrode_fractions": [0.5]}, "at least 2 items"),
        ({"electrode_fractions": [0.5, 1.0]}, "less than 1"),
        ({"temperatures_K": [600, 800]}, "at least 3 items"),
        (
            {"uncertainty_interval_steps": 1, "melt_steps": 40_000},
            "with melt_steps = 40000, use an interval of at least 2 steps",
        ),
    ],
)
def test_transport_grid_that_supports_no_coefficient_is_rejected(block, message):
    assert message in validation_error(transport_grid=block)


def test_minimum_number_of_frames_equals_that_of_the_estimator():
    """The schema repeats the number, as importing the estimator is slow."""
    still = ArrayFrames(np.array([3, 16]), 10.0 * np.arange(MIN_FRAMES), np.zeros((MIN_FRAMES, 2, 3)), np.eye(3))
    assert onsager_matrix(still, temperature_K=300.0, step_ps=0.01).n_steps == MIN_FRAMES - 1
    with pytest.raises(UnsupportedWindowError):
        onsager_matrix(still, temperature_K=300.0, step_ps=0.01, end_frame=MIN_FRAMES - 1)


def test_transport_grid_is_optional_and_an_empty_block_has_defaults():
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
        {"gates": {"max_force_eV_per_angstrom": float("inf")}},
        {"seed": 10**30},
        {"exploration": {"dynamics": {"temperature_K": float("nan")}}},
        {"exploration": {"dynamics": {"timestep_fs": 1e-300}}},
        {"exploration": {"dynamics": {"friction_per_ps": float("inf")}}},
        {"exploration": {"dynamics": {"friction_per_ps": 1e-300}}},
        {"exploration": {"n_interface_walkers": 10**9}},
        {"exploration": {"steps_per_iteration": 10**15}},
        {"production": {"n_replicas": 10**6}},
        {"production": {"relaxation": {"max_force_eV_per_angstrom": float("inf")}}},
        {"structures": {"crystals": {"n_per_phase": 10**7}}},
        {"structures": {"amorphous": {"n_atoms": 10**9}}},
        {"structures": {"amorphous": {"electrode_fractions": [0.5] * 1000}}},
        {"committee": {"training": {"batch_size": 10**12}}},
        {"committee": {"training": {"learning_rate": 1e-300}}},
        {"learning": {"max_labels": 10**12}},
        {"reference": {"method": "gpaw", "cutoff_eV": float("inf")}},
        {"reference": {"method": "gpaw", "cutoff_eV": 1e300}},
        {"reference": {"method": "vasp", "cutoff_eV": 1e-300}},
        {"reference": {"method": "gpaw", "k_density_per_inverse_angstrom": 1e300}},
        {"reference": {"method": "vasp", "max_scf_steps": 10**30}},
        {"production": {"relaxation": {"max_steps": 10**30}}},
        {"structures": {"interfaces": {"gaps_angstrom": [2.0] * 1000}}},
        {"hull_phases": ["P"] * 1000},
    ],
)
def test_values_out_of_range_and_unknown_keys_are_rejected(fields):
    (key,) = fields
    assert key in validation_error(**fields)


def test_campaign_is_immutable():
    campaign = Campaign(name="unit")
    with pytest.raises(ValidationError):
        campaign.seed = 5
    with pytest.raises(ValidationError):
        campaign.learning.max_labels = 1


def test_structure_files_become_absolute_paths():
    """Jobs run in other folders."""
    campaign = Campaign(name="unit", structure_files={"X": "cells/x.cif", "Y": "/abs/y.cif"})
    assert campaign.with_absolute_files(Path("/there")).structure_files == {
        "X": "/there/cells/x.cif",
        "Y": "/abs/y.cif",
    }


def test_templates_of_init_are_valid(tmp_path):
    written = write_templates(tmp_path / "new")
    assert [path.name for path in written] == list(TEMPLATES.values())
    check_campaign(Campaign.from_file(tmp_path / "new" / "campaign.yaml"))
    with pytest.raises(InputError, match="file exists"):
        write_templates(tmp_path / "new")


@pytest.mark.parametrize(
    "name", ["li", "a.b-c", "2024", "true", "null", "1e5", "0x1f", "2024-01-01", "2024-13-45", "no"]
)
def test_template_has_the_given_name(tmp_path, name):
    write_templates(tmp_path, name=name)
    assert Campaign.from_file(tmp_path / "campaign.yaml").name == name


def test_full_disk_leaves_the_files_that_init_would_replace(tmp_path, monkeypatch):
    (tmp_path / "campaign.yaml").write_text("name: mine\n")

    def full(path, data):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match=r"campaign\.yaml: not written: the disk is full"):
        write_templates(tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["campaign.yaml"]
    assert (tmp_path / "campaign.yaml").read_text() == "name: mine\n"


def test_validation_reports_all_mistakes_at_once():
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
    message = str(caught.value)
    parts = ("Unobtainium", "structure_files.Nothing", "size: smallest", "temperatures_K", "pure element Li")
    for part in (*parts, "exploration.melt_quench: n_atoms=11", "transport_grid: n_atoms=13"):
        assert part in message


def test_default_lists_are_not_shared_between_campaigns():
    Campaign(name="a").phases.append("X")
    assert "X" not in Campaign(name="b").phases
    assert CrystalSpec() == Campaign(name="c").structures.crystals


def test_switches_survive_yaml_of_version_1_1():
    """PyYAML reads ``off`` as false."""
    assert yaml.safe_load("compiled: off") == {"compiled": False}
    assert Campaign(name="a", committee={"compiled": False}).committee.compiled == "off"


def test_similar_phases_are_suggested_for_the_sides():
    assert "did you mean 'Li7P3S11'" in validation_error(electrolyte="Li7P3S1l")
    assert len(validation_error(electrolyte="x" * 100_000)) < 3000


@pytest.mark.parametrize("path", ["a\0b.cif", "x" * 100_000 + ".cif"])
def test_impossible_paths_of_structures_are_rejected(path, tmp_path):
    campaign = Campaign(name="unit", structure_files={"Li": path})
    with pytest.raises(InputError):
        check_campaign(campaign.with_absolute_files(tmp_path))
