"""Phases in the report: figures, numbers, graphs, and refusals in words."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.growth.phase_kinetics import Supply, share_kinetics
from interphase_flows.analysis.phases.bond_networks import network_in_words
from interphase_flows.analysis.phases.replica_average import pooled_phases
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.speciation.reaction_graph import Transition
from interphase_flows.report.collect.inputs import Phases
from interphase_flows.report.figures.phases import label_colours
from interphase_flows.report.figures.reaction_graph import reaction_graph_figure
from interphase_flows.report.html import write_report
from interphase_flows.report.sections.phases import drawn_phases, phases_section
from interphase_flows.report.text.phases import phases_in_words
from interphase_flows.structures.crystals.library import load_phase
from phase_references_of_tests import references
from phase_runs import frames_of

QUESTION = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 300.0, ("phases",))
FIGURES = ("anion_counts", "reactions", "phase_profile", "phase_map", "diffraction", "order")


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture(scope="module")
def surveyed():
    return analyse_interface(frames_of("test", "slab"), QUESTION, references=references())


@pytest.fixture(scope="module")
def phases(surveyed) -> Phases:
    values = surveyed.values["phases"]
    return Phases(
        {"replica-0": values, "replica-1": values},
        pooled_phases([values, values]),
        {f"{run}/{name}": a for run in ("replica-0", "replica-1") for name, a in surveyed.arrays.items()},
    )


@pytest.fixture(scope="module")
def with_layers(surveyed):
    """The same run, as if its interphase had been followed."""
    values = json.loads(json.dumps(surveyed.values["phases"]))
    cutoffs = [2.6, 2.7, 2.8, 2.9, 3.0, 3.1, 3.2]
    share = [0.0, 0.0, 0.6, 1.0, 1.0, 1.0, 1.0]
    shares = {**values["labels"]["whole_cell"]["shares"], "Li2S": {"value": 0.4, "lower": 0.3, "upper": 0.5}}
    values["labels"]["sides"] = {"above": {"n_frames": 3, "n_atoms": 20, "shares": shares}}
    values["percolation"] = {
        "pair": "Li-P",
        "cutoffs_angstrom": cutoffs,
        "bond_angstrom": 2.84,
        "sides": {
            "above": {
                "n_frames": 3,
                "n_too_thin": 0,
                "crossing_share": share,
                "largest_share": share,
                **network_in_words(cutoffs, share, 2.84, "Li-P"),
            },
            "below": {"refused": "the interphase is 2.0 Å thick"},
        },
    }
    values["reactions"]["network formers"]["transitions"] = plain(
        [
            Transition("PS4", "PSx", 3, 0.5, 0.1, 1.4, 3.0),
            Transition("PSx", "isolated P", 1, 0.2, 0.01, 0.9, 1.0),
        ]
    )
    values["reactions"]["network formers"]["at_risk_atom_ps"] = {"PS4": 6.0, "PSx": 5.0, "isolated P": 1.0}
    values["reactions"]["network formers"]["lifetimes"] = {
        "PSx": {
            "median_ps": {"value": 4.0, "lower": 2.0, "upper": None},
            "n_stretches": 3,
            "n_ended": 2,
        },
        "isolated P": {
            "median_ps": {"value": None, "lower": 3.0, "upper": None},
            "n_stretches": 1,
            "n_ended": 0,
        },
    }
    arrays = {f"/{name}": a for name, a in surveyed.arrays.items()}
    n = len(surveyed.arrays["phases.map_time_ps"])
    arrays["/phases.interphase_above_angstrom"] = np.tile([12.0, 24.0], (n, 1))
    return values, arrays


def test_the_report_shows_every_figure_with_its_text_and_keeps_the_numbers(bare_inputs, phases, tmp_path):
    page = write_report(replace(bare_inputs, phases=phases), tmp_path).read_text(encoding="utf-8")
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    for run in ("replica-0", "replica-1"):
        assert {f"{run}_{name}.svg" for name in FIGURES} <= figures
    assert "pooled_reactions.png" in figures
    assert all(alt.strip() for alt in re.findall(r'<img[^>]*alt="([^"]*)"', page))
    assert "Stacked shares of phases against height" in page
    text = text_of(page)
    assert "Means of 2 replicas" in text
    assert "Li2S: 1 crystalline domain" in text
    assert "Å or more, for it meets its own periodic image, plane (1 0 0)" in text
    assert "of crystals turned at random are as near to one" in text
    assert "not answered: phases within the interphase" in text.lower()
    written = json.loads((tmp_path / "phases.json").read_text())
    assert written["pooled"] == json.loads(json.dumps(phases.pooled))
    assert np.shape(written["series"]["replica-1/phases.map_atoms"]) == np.shape(
        phases.arrays["replica-1/phases.map_atoms"]
    )


def test_a_campaign_of_before_is_reported_without_phases(bare_inputs, tmp_path):
    page = write_report(bare_inputs, tmp_path).read_text(encoding="utf-8")
    assert "Missing: which phases formed" in page
    assert not (tmp_path / "phases.json").exists()


def test_networks_and_layers_are_drawn_and_told_in_words(with_layers):
    values, arrays = with_layers
    drawn = drawn_phases({"": values}, arrays)
    assert {*FIGURES, "percolation"} == set(drawn)
    text = text_of(phases_section({"": values}, drawn))
    assert "Above: mixed-conducting." in text
    assert "A network of Li-P bonds crosses it from 2.8 Å on" in text
    assert "the interphase is 2.0 Å thick" in text
    assert "PSx isolated P 1" in text
    assert "PSx 4.0 ps [2.0, longer than seen] (2 of 3 ended)" in text
    assert "isolated P longer than seen, at least 3.0 ps (0 of 1 ended)" in text
    lines = list(phases_in_words(values))
    assert any(line.startswith("networks above: mixed-conducting") for line in lines)
    [layer] = [line for line in lines if line.startswith("phases of atoms in the interphase above:")]
    assert "Li2S 40 % [30, 50]" in layer
    together = text_of(phases_section({}, {}, pooled_phases([values, values])))
    assert "Network formers, from to Events Rate, 1/ps PS4 PSx 6 0.500 [" in together


def test_arrows_of_the_graph_carry_events_and_rates(with_layers):
    values, _ = with_layers
    formers, _ = reaction_graph_figure(values["anions"]["labels"], values["reactions"]).axes
    texts = [text.get_text() for text in formers.texts]
    assert {"3 · 0.50/ps", "1 · 0.20/ps", "PS4\n50 % of time"} <= set(texts)
    places = {text.get_text().partition("\n")[0]: text.get_position() for text in formers.texts}
    assert places["PS4"][0] < places["PSx"][0] < places["isolated P"][0]


def test_without_references_the_section_says_how_to_have_them():
    atoms = load_phase("Li7P3S11")
    moves = np.random.default_rng(0).normal(0, 0.05, (4, len(atoms), 3))
    frames = ArrayFrames(atoms.numbers, 100.0 * np.arange(4), atoms.positions + moves, atoms.cell[:])
    found = analyse_interface(frames, QUESTION)
    values = {"": found.values["phases"]}
    drawn = drawn_phases(values, {f"/{name}": a for name, a in found.arrays.items()})
    text = text_of(phases_section(values, drawn))
    assert "phase_map" not in drawn
    assert "--phases" in text
    assert "PS4" in " ".join(phases_in_words(values[""]))


def test_laws_of_shares_are_drawn_and_told(surveyed):
    time_ps = np.linspace(0.0, 20.0, 201)
    noise = 0.005 * np.random.default_rng(0).standard_normal(201)
    shares = {
        "PS4": 0.8 - 0.03 * time_ps + noise,
        "PSx": 0.5 * np.exp(-(((time_ps - 8.0) / 3.0) ** 2)) + noise,
    }
    values = json.loads(json.dumps(surveyed.values["phases"]))
    supply = Supply([], time_ps, np.zeros(201))
    values["kinetics"] = {
        "left_by": supply.rests_on,
        "shares": {"network formers": share_kinetics(time_ps, shares, 100, supply)},
    }
    arrays = {f"/{name}": a for name, a in surveyed.arrays.items() if not name.startswith("phases.share ")}
    arrays |= {"/phases.anion_time_ps": time_ps, "/phases.share network formers: PS4": shares["PS4"]}
    arrays["/phases.anion_counts"] = np.ones((201, len(values["anions"]["labels"])))
    drawn = drawn_phases({"": values}, arrays)
    page = text_of(phases_section({"": values}, drawn))
    assert "share_kinetics" in drawn
    assert "PS4 network formers consumed: linear linear: initial fraction" in page
    assert "an intermediate: its share rises" in page
    assert "laws of shares: PS4 consumed (linear)" in list(phases_in_words(values))


def test_a_campaign_without_laws_of_shares_is_shown_without_them(phases):
    runs = {name: {k: v for k, v in each.items() if k != "kinetics"} for name, each in phases.runs.items()}
    pooled = {k: v for k, v in phases.pooled.items() if k != "kinetics"}
    assert "Kinetics of shares" not in phases_section(runs, drawn_phases(runs, phases.arrays), pooled)


def test_a_refused_part_is_a_sentence():
    assert "no roles" in phases_section({"": {"refused": "no roles"}}, {})
    assert drawn_phases({"": {"refused": "no roles"}}, {}) == {}


def test_what_is_dissolved_in_a_crystal_has_a_pale_shade_of_its_colour():
    colours = label_colours(["unknown", "Li2S", "Li3P", "P dissolved in Li2S"])
    assert len(set(colours.values())) == 4
    one, pale = (int(colours[name][1:], 16) for name in ("Li2S", "P dissolved in Li2S"))
    assert pale > one
