"""The section on interface analyses: numbers, laws, crossings, verdicts, and what is unavailable."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.growth.kinetics import UNDECIDED
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.registry import analysis_part
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.exceptions import AnalysisError
from interphase_flows.report.collect.production import (
    band_over_replicas,
    composition_over_replicas,
    thickness_over_replicas,
)
from interphase_flows.report.html import rendered_page, write_report
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.text.numbers import rounded

PARTS = ("boundaries", "growth", "transport", "trapping", "fluxes", "verdict", "profiles")
SETTINGS = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 600.0, PARTS)


def at_rest(seed: int) -> ArrayFrames:
    return growing(0.0, n_frames=60, planes_per_angstrom=2, seed=seed)


def results_of(analyses: Mapping[str, InterfaceAnalysis]) -> InterfaceResults:
    averages: dict[str, Result | Unavailable] = {}
    for name in PARTS:
        part = analysis_part(name)
        if part.average_result is not None:
            try:
                averages[name] = part.average(list(analyses.values()))
            except AnalysisError as error:
                averages[name] = Unavailable.from_error(error)
    return InterfaceResults(
        {run: each.parts for run, each in analyses.items()},
        averages,
        {f"{run}/{name}": series for run, each in analyses.items() for name, series in each.arrays.items()},
        {run: each.trajectory for run, each in analyses.items()},
        600.0,
    )


@pytest.fixture(scope="module")
def results() -> InterfaceResults:
    return results_of({f"replica-{seed}": analyse_interface(at_rest(seed), SETTINGS) for seed in range(3)})


def test_composition_is_averaged_over_replicas_and_drawn(results, full_inputs, tmp_path):
    profile = composition_over_replicas(results)
    densities = np.stack([results.arrays[f"replica-{seed}/profiles.atoms_per_nm3"] for seed in range(3)])
    assert profile.n_replicas == 3
    assert profile.elements == results.runs["replica-0"]["profiles"].elements
    np.testing.assert_allclose(profile.atoms_per_nm3.value, densities.mean(axis=0))
    np.testing.assert_allclose(profile.atoms_per_nm3.standard_error, densities.std(axis=0, ddof=1) / np.sqrt(3))
    page = write_report(replace(full_inputs, composition=profile), tmp_path).read_text()
    assert "averaged over replicas; the centre of the anions" in page
    assert {"composition", "composition_map"} <= {path.stem for path in (tmp_path / "figures").iterdir()}


def test_composition_leaves_out_replicas_with_other_blocks(results):
    shorter = analyse_interface(growing(0.0, n_frames=40, planes_per_angstrom=2, seed=9), SETTINGS)
    parts = {**results.runs, "replica-9": shorter.parts}
    arrays = dict(results.arrays) | {f"replica-9/{name}": series for name, series in shorter.arrays.items()}
    same_length = results.trajectories | {"replica-9": results.trajectories["replica-0"]}
    mixed = composition_over_replicas(replace(results, runs=parts, arrays=arrays, trajectories=same_length))
    assert mixed.n_replicas == 3
    np.testing.assert_array_equal(mixed.atoms_per_nm3.value, composition_over_replicas(results).atoms_per_nm3.value)


def test_curves_leave_out_replicas_with_other_labels():
    """The ligands of an anion are those that are bonded in the first frame of a replica."""
    series = np.arange(3.0)
    arrays = {f"replica-{i}/time_ps": series for i in range(3)}
    arrays |= {f"replica-{i}/share PS4": series for i in (0, 1)} | {"replica-2/share PCl/S4": series}
    band = band_over_replicas(arrays, "share ", "time_ps")
    assert (band.names, band.n_replicas) == (["PS4"], 2)


def test_curves_are_averaged_at_the_times_that_all_replicas_have():
    """A boundary may be found late in one replica and be lost early in another."""
    time_ps = 0.1 * np.arange(10)
    parts = {"replica-0": slice(0, 10), "replica-1": slice(3, 10), "replica-2": slice(0, 8)}
    arrays = {f"{run}/above.time_ps": time_ps[rows] for run, rows in parts.items()}
    arrays |= {f"{run}/above.thickness_angstrom": 5 + 2 * time_ps[rows] for run, rows in parts.items()}
    band = thickness_over_replicas(arrays)["above"]
    np.testing.assert_array_equal(band.time_ps, time_ps[3:8])
    np.testing.assert_allclose(band.curves.value[:, 0], 5 + 2 * time_ps[3:8])
    np.testing.assert_allclose(band.curves.standard_error, 0, atol=1e-12)
    assert band.n_replicas == 3
    early = {"replica-3/above.time_ps": time_ps[:2], "replica-3/above.thickness_angstrom": time_ps[:2]}
    assert thickness_over_replicas(arrays | early) == {}
    assert band_over_replicas(arrays, "share ", "above.time_ps") is None


def test_verdict_of_three_replicas_at_rest_is_undecided(results):
    verdict = results.averages["verdict"]
    assert set(verdict.sides) == {"above", "below"}
    assert verdict.sides["above"].n_replicas == 3
    assert verdict.state == "undecided"  # without motion there is no initial rate to compare with
    assert results.averages["growth"].sides["above"].decision in {"constant", UNDECIDED}


def test_report_shows_numbers_and_figures_of_each_run(bare_inputs, results, tmp_path):
    shown = replace(results, runs={"replica-0": {}, "replica-1": results.runs["replica-1"]})
    page = write_report(replace(bare_inputs, analyses=shown), tmp_path).read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "All replicas" in text
    assert "Verdict above: undecided." in text
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    for figure in (
        "thickness_above",
        "passed_below",
        "onsager",
        "profile_composition",
        "profile_map",
        "profile_coordination",
    ):
        assert f"replica-1_{figure}.svg" in figures
    assert "average_rates_above.svg" in figures
    assert "average_verdict_above.svg" not in figures  # no quantity has an epsilon
    assert "Net flux, atoms/(nm² ps)" in text
    assert "60 frames in 6 time blocks, 60 slices of 1.50 Å" in text
    found = results.runs["replica-1"]["boundaries"].sides["above"].atoms_end
    assert f"Li {rounded(found['Li'], 2)}" in text


def test_verdict_states_how_many_replicas_it_depends_on(bare_inputs, results):
    verdict = results.averages["verdict"]
    note = "boundaries are tracked in 2 of 3 replicas"
    assert note not in rendered_page(replace(bare_inputs, analyses=results), {})
    sides = verdict.sides | {"above": replace(verdict.sides["above"], n_replicas=2)}
    averages = results.averages | {"verdict": verdict.model_copy(update={"sides": sides})}
    shown = replace(results, averages=averages)
    assert f"Above: {note}" in rendered_page(replace(bare_inputs, analyses=shown), {})


def test_verdict_over_replicas_keeps_the_reason_of_the_replicas():
    """The report shows only the verdict over replicas."""
    one_frame = growing(0.0, n_frames=1, planes_per_angstrom=2)
    found = results_of({f"replica-{i}": analyse_interface(one_frame, SETTINGS) for i in range(2)})
    assert found.averages["verdict"].state == "undecided"
    assert found.averages["verdict"].sides["above"].reason == "crossings need at least two frames"


def test_replicas_without_an_interface_are_undecided_with_the_reason(bare_inputs, tmp_path):
    numbers = np.repeat([3, 15, 16], [14, 6, 22])
    places = np.random.default_rng(0).random((4, 42, 3)) * 20.0
    frames = ArrayFrames(numbers, 100.0 * np.arange(4), places, 20.0 * np.eye(3))
    found = results_of({f"replica-{i}": analyse_interface(frames, SETTINGS) for i in range(2)})
    assert isinstance(found.averages["verdict"], Unavailable)
    page = write_report(replace(bare_inputs, analyses=found), tmp_path).read_text(encoding="utf-8")
    assert "no replica has an interface with tracked boundaries" in page
    assert "no boundaries, not even with slabs of 2 to 4 Å" in page
    assert "Unavailable without boundaries: growth law, fluxes, kinetic trapping, verdict" in page
    assert (tmp_path / "figures" / "replica-0_profile_density.svg").exists()
