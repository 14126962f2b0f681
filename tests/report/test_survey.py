"""Growth in the report: numbers, laws, crossings, coefficients, the verdict, and refusals in words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.growth.kinetics import UNDECIDED
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.replica_average import pooled
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.jobs.growth import PARTS
from interphase_flows.report.collect.inputs import Growth
from interphase_flows.report.html import write_report
from interphase_flows.report.text.numbers import rounded

QUESTION = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 600.0, PARTS)


def at_rest(seed: int) -> ArrayFrames:
    return growing(0.0, n_frames=60, planes_per_angstrom=2, seed=seed)


@pytest.fixture(scope="module")
def surveys():
    return {f"replica-{seed}": analyse_interface(at_rest(seed), QUESTION) for seed in range(3)}


@pytest.fixture(scope="module")
def growth(surveys) -> Growth:
    return Growth(
        {run: each.values for run, each in surveys.items()},
        pooled(list(surveys.values())),
        {f"{run}/{name}": series for run, each in surveys.items() for name, series in each.arrays.items()},
    )


def test_three_replicas_are_judged_together(growth):
    assert set(growth.pooled["verdict"]) == {"above", "below"}
    assert growth.pooled["verdict"]["above"]["n_replicas"] == 3
    assert growth.pooled["state"] == "undecided"  # what never moved has no initial rate to compare with
    assert growth.pooled["kinetics"]["above"]["decision"] in {"constant", UNDECIDED}


def test_the_report_shows_growth_with_its_numbers(bare_inputs, growth, tmp_path):
    shown = replace(growth, runs={"replica-1": growth.runs["replica-1"]})
    page = write_report(replace(bare_inputs, growth=shown), tmp_path).read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "All replicas together" in text
    assert "Verdict above: undecided." in text
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    for figure in (
        "thickness_above",
        "passed_below",
        "onsager",
        "profile_composition",
        "profile_coordination",
    ):
        assert f"replica-1_{figure}.svg" in figures
    assert "pooled_verdict_above.svg" in figures
    assert "Net flux, atoms/(nm² ps)" in text
    assert "60 frames in 6 blocks of time, 60 slices of 1.50 Å" in text
    found = growth.runs["replica-1"]["boundaries"]["sides"]["above"]["atoms_end"]
    assert f"Li {rounded(found['Li'], 2)}" in text


def test_replicas_without_an_interface_are_undecided_and_say_why(bare_inputs, tmp_path):
    numbers = np.repeat([3, 15, 16], [14, 6, 22])
    places = np.random.default_rng(0).random((4, 42, 3)) * 20.0
    found = analyse_interface(ArrayFrames(numbers, 100.0 * np.arange(4), places, 20.0 * np.eye(3)), QUESTION)
    together = pooled([found])
    assert together["state"] == "undecided"
    series = {f"replica-0/{name}": each for name, each in found.arrays.items()}
    growth = Growth({"replica-0": found.values}, together, series)
    page = write_report(replace(bare_inputs, growth=growth), tmp_path).read_text(encoding="utf-8")
    assert "no replica has an interface whose boundaries can be followed" in page
    assert "boundaries cannot be followed in this cell" in page
    assert "nothing to say of: law of growth, fluxes, kinetic trapping, verdict" in page
    assert page.count("why not is told with the boundaries") == 0
    assert (tmp_path / "figures" / "replica-0_profile_density.svg").exists()
