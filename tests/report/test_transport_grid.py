"""The section on the transport grid: numbers with intervals, rejected runs, trust."""

import re
from dataclasses import replace

import numpy as np
import pytest

from interphase_flows.analysis.transport.composition_grid.grid_analysis import (
    InterphaseProfile,
    analyse_transport_grid,
)
from interphase_flows.analysis.transport.composition_grid.local_composition import CompositionLine
from interphase_flows.analysis.transport.composition_grid.results import CellTransportResult, CommitteeTrust
from interphase_flows.report.figures.transport_grid import arrhenius_figure
from interphase_flows.report.html import write_report
from interphase_flows.report.inputs.interphase import TransportGrid
from interphase_flows.report.sections.transport_grid import draw_grid
from interphase_flows.report.text.numbers import short
from onsager_draws import cell_transport, drawn, true_matrix

LINE = CompositionLine({"Li": 1.0}, {"Li": 7.0, "P": 3.0, "S": 11.0})
TEMPERATURES_K = (600.0, 800.0, 1000.0)


def cells(rejected: bool = False, n_above_stop: int = 0, n_cells: int = 2) -> list[CellTransportResult]:
    random = np.random.default_rng(0)
    return [
        cell_transport(
            x,
            t,
            None if rejected else drawn(random, true_matrix(t, log_height=(2 * x, x)), 80),
            number=number,
            rejection="a window of 1 ps supports no transport coefficient" if rejected else "",
            trust=CommitteeTrust(n_evaluations=100, n_above_select=10, n_above_stop=n_above_stop),
        )
        for x in (0.1, 0.3, 0.5)
        for number in range(n_cells)
        for t in TEMPERATURES_K
    ]


def profile() -> InterphaseProfile:
    x = np.concatenate([np.linspace(0.0, 1.0, 15), np.linspace(1.0, 0.0, 15)])
    density = 0.05 * np.stack([LINE.shares(each) for each in x], axis=1)
    return InterphaseProfile(LINE.elements, np.linspace(0.0, 30.0, 31), density, 0.02 * density, "mean over 7 to 9 ps")


def grid(temperature_K: float = 300.0, **options) -> TransportGrid:
    return TransportGrid(*analyse_transport_grid(cells(**options), LINE, temperature_K, profile()))


def text_of(inputs, found: TransportGrid | None, folder) -> str:
    shown = replace(inputs, transport_grid=found, grid_requested=True)
    page = write_report(shown, folder).read_text(encoding="utf-8")
    section = page[page.index('<div id="transport-grid">') :]
    return " ".join(re.sub(r"<[^>]+>", " ", section[: section.index("</section>")]).split())


def test_section_shows_intervals_and_extrapolation(bare_inputs, tmp_path):
    """Energies, coefficients at the temperature of production, figures of all three kinds."""
    found = grid()
    text = text_of(bare_inputs, found, tmp_path)
    assert "18 of 18 runs have coefficients with an interval, 0 were rejected" in text
    energy = found.result.compositions[0].lines["Li"].activation_energy_eV
    assert f"{short(energy.value)} [{short(energy.lower)}, {short(energy.upper)}]" in text
    assert "6 runs at 600 to 1,000 K; extrapolated" in text
    assert "Two cells of each composition are not sufficient to estimate the spread between cells" in text
    assert "300 K is outside the temperatures that all lines are fitted to" in text
    assert "slices have a composition within the grid (mean over 7 to 9 ps)" in text
    assert re.search(r"Unavailable for \d+ slices: its x is outside the grid, 0.10 to 0.50", text)
    assert "10 % were above its select level, none above stop" in text
    assert {path.stem for path in (tmp_path / "figures").glob("transport_*.svg")} == {
        "transport_arrhenius",
        "transport_composition",
        "transport_local",
        "transport_flux",
    }
    assert "J = −L ∇μ with these coefficients" in text


def test_runs_outside_the_domain_of_the_potential_are_flagged(bare_inputs, tmp_path):
    """In the banner of the section and in the row of each line."""
    text = text_of(bare_inputs, grid(n_above_stop=2), tmp_path)
    assert "In 2.0 % of 1800 evaluations the committee disagreed by more than its stop level" in text
    assert "in 18 of 18 runs" in text
    assert "outside the domain of the potential in 2.0 % of the evaluations" in text


def test_grid_of_rejected_runs_lists_reasons_and_has_no_figure(bare_inputs, tmp_path):
    """As in the quickstart: every part is unavailable."""
    found = grid(rejected=True, n_cells=1)
    assert draw_grid(found) == {}
    text = text_of(bare_inputs, found, tmp_path)
    assert "0 of 9 runs have coefficients with an interval, 9 were rejected" in text
    assert "9 × a window of 1 ps supports no transport coefficient" in text
    assert "unavailable: an Arrhenius fit needs 3 temperatures with a coefficient above zero" in text
    assert "Unavailable: compositions with an Arrhenius line: Li 0, P 0" in text
    assert "one cell of each composition, so intervals do not include the spread between cells" in text


def test_nothing_is_extrapolated_between_measured_temperatures(bare_inputs, tmp_path):
    """Three cells of each composition show the spread between cells."""
    text = text_of(bare_inputs, grid(temperature_K=700.0, n_cells=3), tmp_path)
    assert "extrapolated" not in text.split("they are extrapolated;")[1]
    assert "cells of each composition" not in text


def test_line_is_extrapolated_beyond_its_accepted_runs(bare_inputs, tmp_path):
    """At 600 K one composition was rejected: only its line is extrapolated to 650 K, in text and figure."""
    with_four = [
        cell_transport(each.x_electrode, t, drawn(np.random.default_rng(n), true_matrix(t), 80))
        for n, each in enumerate(cells(n_cells=1)) if each.temperature_K == 600.0
        for t in (600.0, 700.0, 800.0, 1000.0)
    ]  # fmt: skip
    runs = [
        each.model_copy(update={"rejection": "the halves of the run differ"})
        if (each.temperature_K, each.x_electrode) == (600.0, 0.1)
        else each
        for each in with_four
    ]
    found = TransportGrid(*analyse_transport_grid(runs, LINE, 650.0, None))
    assert "650 K is outside the temperatures that 2 of 6 lines are fitted to" in text_of(bare_inputs, found, tmp_path)
    figure = arrhenius_figure(found.result, found.arrays)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    assert labels[:3] == ["x = 0.10", "x = 0.30", "x = 0.50"]
    assert all(each.get_markerfacecolor() != "white" for each in handles[:3])  # 0.10 has a rejected run, too
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() in ("-", "--") and len(line.get_xdata()) > 2]
    reach_K = [1000 / max(line.get_xdata()) for line in solid]
    assert reach_K == [pytest.approx(700, abs=15), pytest.approx(600, abs=15), pytest.approx(600, abs=15)]


def test_missing_grid_is_announced_only_if_requested(bare_inputs, tmp_path):
    missing = "coefficients on the grid: its cells have not been run"
    requested = write_report(replace(bare_inputs, grid_requested=True), tmp_path).read_text(encoding="utf-8")
    assert missing in requested
    assert missing not in write_report(bare_inputs, tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0123, "0.012"), (5400.0, "5,400"), (3.4e-9, "3.4e−9"), (-2e5, "−2.0e5"), (None, "∞")],
)
def test_short_numbers(value, text):
    assert short(value) == text
