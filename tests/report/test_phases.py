"""Phases in the report: figures, numbers, graphs, and what is unavailable."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.growth.phase_kinetics import Supply, share_kinetics
from interphase_flows.analysis.phases.percolation import conduction_by_network
from interphase_flows.analysis.phases.replica_average import average_phases
from interphase_flows.analysis.phases.results import (
    LabelShares,
    NetworkCrossing,
    PercolationResult,
    PhasesResult,
    SharesKinetics,
)
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.reaction_graph import Transition
from interphase_flows.analysis.speciation.results import Lifetime, ReactionsResult
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.figures.phases import label_colours
from interphase_flows.report.figures.reaction_graph import reaction_graph_figure
from interphase_flows.report.html import write_report
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.sections.phases import draw_phases, phases_section
from interphase_flows.report.text.phases import phases_summary
from interphase_flows.structures.crystals.library import load_phase
from phase_references_of_tests import references
from phase_runs import frames_of

SETTINGS = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 300.0, ("phases",))
FIGURES = ("anion_counts", "reactions", "phase_profile", "phase_map", "diffraction", "order")
NAN = float("nan")


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture(scope="module")
def analysis():
    return analyse_interface(frames_of("slab"), SETTINGS, references=references())


@pytest.fixture(scope="module")
def results(analysis) -> InterfaceResults:
    runs = ("replica-0", "replica-1")
    found = analysis.parts["phases"]
    return InterfaceResults(
        {run: {"phases": found} for run in runs},
        {"phases": average_phases([found, found])},
        {f"{run}/{name}": a for run in runs for name, a in analysis.arrays.items()},
        dict.fromkeys(runs, analysis.trajectory),
        300.0,
    )


@pytest.fixture(scope="module")
def with_layers(analysis) -> tuple[PhasesResult, dict[str, np.ndarray]]:
    """Return the same run with an interphase that is followed."""
    found = analysis.parts["phases"]
    cutoffs = [2.6, 2.7, 2.8, 2.9, 3.0, 3.1, 3.2]
    share = [0.0, 0.0, 0.6, 1.0, 1.0, 1.0, 1.0]
    shares = found.labels.entire_cell.shares | {"Li2S": Estimate(0.4, 0.3, 0.5)}
    layer = LabelShares(n_frames=3, n_atoms=20, shares=shares)
    onset, state, reason = conduction_by_network(cutoffs, share, 2.84, "Li-P")
    crossing = NetworkCrossing(
        n_frames=3,
        n_too_thin=0,
        crossing_share=share,
        largest_share=share,
        onset_angstrom=onset,
        state=state,
        reason=reason,
    )
    graph = found.reactions["network formers"].model_copy(
        update={
            "transitions": [
                Transition("PS4", "PSx", 3, Estimate(0.5, 0.1, 1.4, n_independent=3.0)),
                Transition("PSx", "isolated P", 1, Estimate(0.2, 0.01, 0.9, n_independent=1.0)),
            ],
            "at_risk_atom_ps": {"PS4": 6.0, "PSx": 5.0, "isolated P": 1.0},
            "lifetimes": {
                "PSx": Lifetime(median_ps=Estimate(4.0, 2.0, NAN), n_stretches=3, n_ended=2),
                "isolated P": Lifetime(median_ps=Estimate(NAN, 3.0, NAN), n_stretches=1, n_ended=0),
            },
        }
    )
    changed = found.model_copy(
        update={
            "labels": found.labels.model_copy(update={"sides": {"above": layer}}),
            "percolation": PercolationResult(
                pair="Li-P",
                cutoffs_angstrom=cutoffs,
                bond_angstrom=2.84,
                sides={"above": crossing, "below": Unavailable(reason="the interphase is 2.0 Å thick")},
            ),
            "reactions": found.reactions | {"network formers": graph},
        }
    )
    arrays = {f"/{name}": a for name, a in analysis.arrays.items()}
    n = len(analysis.arrays["phases.map_time_ps"])
    arrays["/phases.interphase_above_angstrom"] = np.tile([12.0, 24.0], (n, 1))
    return changed, arrays


def test_report_shows_every_figure_and_keeps_the_numbers(bare_inputs, results, tmp_path):
    page = write_report(replace(bare_inputs, analyses=results), tmp_path).read_text(encoding="utf-8")
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    for run in ("replica-0", "replica-1"):
        assert {f"{run}_{name}.svg" for name in FIGURES} <= figures
    assert "average_reactions.png" in figures
    assert all(alt.strip() for alt in re.findall(r'<img[^>]*alt="([^"]*)"', page))
    assert "Stacked fractions of phases against height" in page
    text = text_of(page)
    assert "Means over 2 replicas" in text
    assert "Li2S: 1 crystalline domain" in text
    assert "Å (connected to its periodic image), plane (1 0 0)" in text
    assert "of randomly oriented crystals are as close" in text
    assert "unavailable: phases within the interphase" in text.lower()
    written = json.loads((tmp_path / "phases.json").read_text())
    average = results.averages["phases"]
    assert written["average"]["n_replicas"] == 2
    assert written["average"]["phases"]["li2s"]["atom_fraction"]["value"] == pytest.approx(
        average.phases["li2s"].atom_fraction.value
    )
    assert np.shape(written["series"]["replica-1/phases.map_atoms"]) == np.shape(
        results.arrays["replica-1/phases.map_atoms"]
    )


def test_report_without_production_has_no_phases(bare_inputs, tmp_path):
    page = write_report(bare_inputs, tmp_path).read_text(encoding="utf-8")
    assert re.search(r"Not available: [^<]*; phases;", page)
    assert not (tmp_path / "phases.json").exists()


def test_networks_and_layers_are_drawn_and_summarised(with_layers):
    phases, arrays = with_layers
    drawn = draw_phases({"": phases}, arrays)
    assert {*FIGURES, "percolation"} == set(drawn)
    text = text_of(phases_section({"": phases}, drawn))
    assert "Above: mixed-conducting." in text
    assert "A network of Li-P bonds crosses it from 2.8 Å" in text
    assert "the interphase is 2.0 Å thick" in text
    assert "PSx isolated P 1" in text
    assert "PSx 4.0 ps [2.0, longer than the run] (2 of 3 ended)" in text
    assert "isolated P longer than the run, at least 3.0 ps (0 of 1 ended)" in text
    lines = list(phases_summary(phases))
    assert any(line.startswith("networks above: mixed-conducting") for line in lines)
    [layer] = [line for line in lines if line.startswith("phases of atoms in the interphase above:")]
    assert "Li2S 40 % [30, 50]" in layer
    together = text_of(phases_section({}, {}, average_phases([phases, phases])))
    assert "Network formers, from to Events Rate, 1/ps PS4 PSx 6 0.500 [" in together


def test_reaction_graph_shows_events_and_rates(with_layers):
    phases, _ = with_layers
    formers, _ = reaction_graph_figure(phases.anions.labels, phases.reactions).axes
    texts = [text.get_text() for text in formers.texts]
    assert {"3 · 0.50/ps", "1 · 0.20/ps", "PS4\n50 % of time"} <= set(texts)
    places = {text.get_text().partition("\n")[0]: text.get_position() for text in formers.texts}
    assert places["PS4"][0] < places["PSx"][0] < places["isolated P"][0]


def test_labels_of_many_reactions_do_not_overlap():
    """Nor do they hide an anion, where the arrow has room for another place."""
    names = ["PS4", "P2S7", "P2S6", "PSx", "P-P chain", "isolated P"]
    labels = ("PS4", "P2S7", "P2S6", "P2S8", "PSx", "P-P chain", "isolated P", "S2-", "other", "PS3")
    pairs = [(a, b) for a in names for b in names if a != b][:12]
    graph = ReactionsResult(
        least_frames=1,
        transitions=[Transition(a, b, 3, Estimate(0.5, 0.1, 1.4, n_independent=3.0)) for a, b in pairs],
        at_risk_atom_ps=dict.fromkeys(names, 1.0),
        lifetimes={},
    )
    figure = reaction_graph_figure(labels, {"network formers": graph})
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    areas = [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts if text.get_text()]
    covered = sum(
        both.width * both.height
        for k, one in enumerate(areas)
        for other in areas[:k]
        if (both := Bbox.intersection(one, other)) is not None
    )
    assert covered < 0.005 * sum(area.width * area.height for area in areas)


def test_section_without_references_hints_how_to_make_them():
    atoms = load_phase("Li7P3S11")
    moves = np.random.default_rng(0).normal(0, 0.05, (4, len(atoms), 3))
    frames = ArrayFrames(atoms.numbers, 100.0 * np.arange(4), atoms.positions + moves, atoms.cell[:])
    found = analyse_interface(frames, SETTINGS)
    phases = found.parts["phases"]
    drawn = draw_phases({"": phases}, {f"/{name}": a for name, a in found.arrays.items()})
    text = text_of(phases_section({"": phases}, drawn))
    assert "phase_map" not in drawn
    assert "--phases" in text
    assert "PS4" in " ".join(phases_summary(phases))


def test_growth_laws_of_shares_are_drawn_and_summarised(analysis):
    time_ps = np.linspace(0.0, 20.0, 201)
    noise = 0.005 * np.random.default_rng(0).standard_normal(201)
    shares = {
        "PS4": 0.8 - 0.03 * time_ps + noise,
        "PSx": 0.5 * np.exp(-(((time_ps - 8.0) / 3.0) ** 2)) + noise,
    }
    supply = Supply([], time_ps, np.zeros(201))
    laws = {"network formers": share_kinetics(time_ps, shares, 100, supply)}
    phases = analysis.parts["phases"].model_copy(
        update={"kinetics": SharesKinetics(depletion_measure=supply.depletion_measure, shares=laws)}
    )
    arrays = {f"/{name}": a for name, a in analysis.arrays.items() if not name.startswith("phases.share ")}
    arrays |= {"/phases.anion_time_ps": time_ps, "/phases.share network formers: PS4": shares["PS4"]}
    arrays["/phases.anion_counts"] = np.ones((201, len(phases.anions.labels)))
    drawn = draw_phases({"": phases}, arrays)
    page = text_of(phases_section({"": phases}, drawn))
    assert "share_kinetics" in drawn
    assert "PS4 network formers consumed: linear linear: initial fraction" in page
    assert "an intermediate: its fraction rises" in page
    assert "growth laws of fractions: PS4 consumed (linear)" in list(phases_summary(phases))


def test_unavailable_phases_have_a_reason_and_no_figures():
    missing = {"": Unavailable(reason="no roles")}
    assert "no roles" in phases_section(missing, {})
    assert draw_phases(missing, {}) == {}


def test_dissolved_species_have_a_pale_shade_of_their_host():
    colours = label_colours(["unknown", "Li2S", "Li3P", "P dissolved in Li2S"])
    assert len(set(colours.values())) == 4
    one, pale = (int(colours[name][1:], 16) for name in ("Li2S", "P dissolved in Li2S"))
    assert pale > one
