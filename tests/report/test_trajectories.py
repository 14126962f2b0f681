"""Traces of production runs, ligands per centre, cells and the campaign file in a report."""

import re
from dataclasses import replace

import numpy as np
import pytest

from interphase_flows.analysis.pipeline.results import TrajectorySummary
from interphase_flows.analysis.results import Unavailable
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.yaml_file import load_yaml_model, yaml_of_model
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack
from interphase_flows.report.collect.production import thickness_over_replicas
from interphase_flows.report.collect.trajectories import ligand_fractions
from interphase_flows.report.figures.answer import answer_figure
from interphase_flows.report.figures.style import FigureFile
from interphase_flows.report.figures.trajectories import ligand_counts_figure, traces_figure
from interphase_flows.report.html import rendered_page, write_report
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.sections.phases import phases_average
from interphase_flows.structures.crystals.library import load_phase


@pytest.fixture
def losing_sulfur(tmp_path):
    """A run of ten frames of Li3PS4, in the last of which one P has lost one S."""
    crystal = load_phase("Li3PS4")
    writer = TrajectoryWriter(tmp_path / "run", crystal)
    for step in range(10):
        frame = crystal.copy()
        if step == 9:
            phosphorus = int(np.flatnonzero(frame.numbers == 15)[0])
            sulfur = np.flatnonzero(frame.numbers == 16)
            nearest = sulfur[np.argmin(frame.get_distances(phosphorus, sulfur, mic=True))]
            away = frame.get_distance(phosphorus, nearest, mic=True, vector=True)
            frame.positions[nearest] += 0.4 * away  # 2.05 Å become 2.9 Å
        writer.append(frame, step=step, time_fs=2.0 * step, temperature_K=300.0 + step, potential_energy_eV=-step)
    writer.flush()
    return pack(tmp_path / "run", tmp_path / "run.zarr.zip"), crystal


def test_ligands_per_centre_are_counted_at_both_ends(losing_sulfur):
    path, crystal = losing_sulfur
    with RunFrames([path]) as frames:
        fractions = ligand_fractions(frames, ["P", "Ge"], ["S"], 2.6)
        assert frames.temperature_K.tolist() == [300.0 + step for step in range(10)]
        assert frames.potential_energy_eV.tolist() == [-float(step) for step in range(10)]
    n_phosphorus = crystal.symbols.count("P")
    assert list(fractions) == ["P"]
    assert fractions["P"][0].tolist() == [0, 0, 0, 0, 1]
    assert fractions["P"][1] == pytest.approx([0, 0, 0, 1 / n_phosphorus, 1 - 1 / n_phosphorus])


def test_centres_without_ligands_have_no_fractions(losing_sulfur):
    with RunFrames([losing_sulfur[0]]) as frames:
        assert ligand_fractions(frames, ["P"], [], 2.6) == {}


def test_stress_has_a_panel_at_constant_pressure_only(full_inputs):
    traces = full_inputs.trajectories.traces
    assert len(traces_figure(traces).axes) == 3
    empty = np.empty(0)
    at_volume = [replace(each, segment_ps=np.empty((0, 2)), normal_stress_GPa=empty) for each in traces]
    assert len(traces_figure(at_volume).axes) == 2
    assert traces_figure([]) is None


def test_ligands_of_one_replica_have_no_error_bars(full_inputs):
    counts = full_inputs.trajectories.ligand_counts
    assert len(ligand_counts_figure(counts).axes[0].containers) == 4  # bars and error bars
    alone = ligand_counts_figure([replace(each, n_replicas=1) for each in counts])
    assert "no interval" in alone.axes[0].get_title("left")
    assert len(alone.axes[0].containers) == 2


def test_page_lists_cells_and_the_campaign_file(full_inputs, bare_inputs):
    page = rendered_page(replace(full_inputs, before=None, after=None), {})
    assert "(110) | (001)" in page
    assert "<pre>name: laptop-demo" in page
    assert "store embedded, n_threads 1." in page
    bare = rendered_page(bare_inputs, {})
    assert "<pre>" not in bare
    assert "the cells of production" in re.search('<p class="missing">(.*?)</p>', bare)[1]


def test_one_replica_has_no_means_over_replicas(full_inputs):
    drawn = {"answer": FigureFile("answer", b"<svg/>", b"", "")}
    several = replace(full_inputs, before=None, after=None)
    assert "Means over replicas" in rendered_page(several, drawn)
    page = rendered_page(replace(several, production=full_inputs.production[:1]), drawn)
    assert "One replica, so there is no interval" in page
    assert "Means over replicas" not in page


def test_averages_of_one_run_are_not_repeated():
    unavailable = {"phases": Unavailable(reason="too short"), "verdict": Unavailable(reason="too short")}
    summary = TrajectorySummary(n_frames=2, n_atoms=4, elements=["Li"], length_ps=1.0)
    both = dict.fromkeys(("replica-0", "replica-1"), summary)
    one = InterfaceResults({"replica-0": unavailable}, unavailable, {}, both, 300.0)
    assert one.averages_of_several == {}
    assert phases_average(one) is None
    two = replace(one, runs={"replica-0": unavailable, "replica-1": unavailable})
    assert two.averages_of_several == unavailable
    assert phases_average(two) == Unavailable(reason="too short")


@pytest.mark.parametrize(
    ("change", "name"), [({"temperature_K": 450.0}, "above, 450 K"), ({"length_ps": 0.1}, "above, replica-1")]
)
def test_runs_that_are_not_averaged_are_drawn_beside_the_means(full_inputs, change, name):
    summary = TrajectorySummary(n_frames=2, n_atoms=4, elements=["Li"], length_ps=1.0, temperature_K=300.0)
    other = summary.model_copy(update=change)
    time_ps = np.array([0.0, 1.0])
    arrays = {"replica-0/above.time_ps": time_ps, "replica-1/above.time_ps": time_ps}
    arrays |= {"replica-0/above.thickness_angstrom": time_ps, "replica-1/above.thickness_angstrom": 3 * time_ps}
    runs = {"replica-0": {}, "replica-1": {}}
    results = InterfaceResults(
        runs, {"phases": Unavailable(reason="x")}, arrays, {"replica-0": summary, "replica-1": other}, 300.0
    )
    assert (results.averaged_runs, results.other_runs) == (["replica-0"], ["replica-1"])
    assert results.averages_of_several == {}
    bands = thickness_over_replicas(results.arrays_of(results.averaged_runs))
    assert (bands["above"].n_replicas, bands["above"].curves.value[-1, 0]) == (1, 1.0)
    inputs = replace(full_inputs, analyses=results, thickness=bands)
    axes = answer_figure(inputs).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["above the electrode", name]
    page = rendered_page(replace(inputs, before=None, after=None), {"answer": FigureFile("answer", b"<svg/>", b"", "")})
    assert (
        "There is 1 production replica of one temperature and length; a meaningful interval requires at least three"
        in page
    )
    assert "One replica, so there is no interval. Thin lines are single runs that are not averaged" in page


def test_written_campaign_file_reads_as_the_same_campaign(tmp_path, bare_inputs):
    campaign = Campaign(name="same", electrode="Li", electrolyte="Li7P3S11", description="a: b # c")
    inputs = replace(bare_inputs, campaign_file=yaml_of_model(campaign))
    write_report(inputs, tmp_path)
    assert load_yaml_model(tmp_path / "campaign.yaml", Campaign) == campaign
