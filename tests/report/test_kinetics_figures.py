"""Figures of growth and verdicts show what the results say; those of the docs are what their script draws."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from interphase_flows.analysis.growth.kinetics import thickness_kinetics
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.report.figures.growth import growth_figure, verdict_figure
from interphase_histories import history

DOCS = Path(__file__).parents[2] / "docs"
TIME_PS = np.linspace(0, 100, 200)


def test_growth_figure_shows_indistinguishable_laws_and_depletion():
    rng = np.random.default_rng(0)
    values = 2 + 0.01 * TIME_PS + rng.normal(0, 0.5, 200)
    found = thickness_kinetics(TIME_PS, values, reservoirs={"lithium": 10 - 0.1 * TIME_PS}, n_resamples=20)
    axes = growth_figure(TIME_PS, values, found, "thickness (Å)").axes[0]
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == [law.law.replace("_", " ") for law in found.candidates]
    assert "lithium exhausted" in axes.texts[0].get_text()
    assert axes.get_title(loc="left") == found.decision.replace("_", " ")


def test_verdict_figure_has_a_row_for_every_rate():
    found = verdict([history("passivated", 0)])
    axes = verdict_figure(found).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(found.checks)
    assert axes.get_title(loc="left") == "passivated"


@pytest.mark.parametrize("name", ["growth", "verdict"])
def test_the_figures_of_the_page_are_there_and_light(name):
    content = (DOCS / "images" / f"kinetics_{name}.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 200_000


def test_the_script_of_the_figures_runs():
    functions = runpy.run_path(str(DOCS / "generate_kinetics_figures.py"))
    for name in ("growth_png", "verdict_png"):
        assert functions[name]().startswith(b"\x89PNG")
