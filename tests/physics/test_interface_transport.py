"""Transport through the survey: walkers in layers whose boundaries and coefficients are known by construction."""

import math

import numpy as np
import pytest
from ase.data import atomic_masses, chemical_symbols

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.transport.reference_frames import frame_matrix
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.units import KB_EV_PER_K, S_PER_M_PER_E2_PER_EV_ANGSTROM_PS
from moving_interphase import LAYERS, NORMAL_ANGSTROM2_PER_PS, planted_layers

TEMPERATURE_K = 600.0
L = "onsager_per_eV_angstrom_ps"
BEYOND = "beyond_frame_per_eV_angstrom_ps"
CHARGES = np.array([1.0, 5.0, -2.0])


def question(**transport):
    return InterfaceAnalysisSettings(
        composition_of("Li"),
        composition_of("Li7P3S11"),
        TEMPERATURE_K,
        parts=("boundaries", "transport"),
        transport=TransportSettings(**transport),
    )


@pytest.fixture(scope="module")
def at_rest():
    return analyse_interface(planted_layers(500), question()).values


def planted(row, direction):
    """L of independent atoms of a layer in the frame of their own centre, 1/(eV Å ps), from who was in the slab."""
    layer = next(each for each in LAYERS if each[0] == row["name"])
    result = row[direction]
    numbers = sorted(layer[4])
    counts = np.array(result["n_atoms"])
    rates = [layer[4][n] if direction == "in_plane" else NORMAL_ANGSTROM2_PER_PS for n in numbers]
    symbols = [chemical_symbols[n] for n in numbers]
    assert symbols == result["species"]
    frame = frame_matrix("barycentric", symbols, counts, atomic_masses[numbers])
    volume = 16.0 * 16.0 * (row["upper_angstrom"] - row["lower_angstrom"])
    return frame @ np.diag(counts * rates) @ frame.T / (KB_EV_PER_K * TEMPERATURE_K * volume)


def test_slabs_are_the_planted_layers(at_rest):
    slabs = at_rest["transport"]["slabs"]
    assert slabs["names"] == [name for name, *_ in LAYERS]
    for row in slabs["rows"]:
        _, lower, upper, *_ = next(each for each in LAYERS if each[0] == row["name"])
        assert row["upper_angstrom"] - row["lower_angstrom"] == pytest.approx(upper - lower, abs=1.5)
        assert (row["lower_angstrom"] - lower + 45) % 90 - 45 == pytest.approx(0.0, abs=1.0)
        assert row["fraction_staying"] > 0.85


@pytest.mark.parametrize("direction", ["in_plane", "normal"])
def test_slabs_have_the_planted_coefficients(at_rest, direction):
    """Three 2-sigma intervals in a hundred may miss; the interphases and the electrolyte have 18 coefficients."""
    inside, held = 0, 0
    for row in at_rest["transport"]["slabs"]["rows"]:
        if row["name"] == "electrode":
            continue
        expected, found = planted(row, direction), row[direction]
        lower, upper = np.array(found[L]["lower"]), np.array(found[L]["upper"])
        inside += int(((lower < expected) & (expected < upper))[np.tril_indices(3)].sum())
        beyond = found[BEYOND]
        held += int(
            ((np.array(beyond["lower"]) < 0) & (np.array(beyond["upper"]) > 0))[np.tril_indices(3)].sum()
        )
        assert found["stationary"]
        np.testing.assert_allclose(np.diag(found[L]["value"]), np.diag(expected), rtol=0.6)
    assert inside >= 15
    assert held >= 15  # independent walkers have no correlation beyond the frame


def test_conductivity_of_a_slab_is_that_of_its_walkers(at_rest):
    row = next(r for r in at_rest["transport"]["slabs"]["rows"] if r["name"] == "electrolyte")
    expected = CHARGES @ planted(row, "in_plane") @ CHARGES * S_PER_M_PER_E2_PER_EV_ANGSTROM_PS
    found = row["in_plane"]["conduction"]
    assert found["conductivity_S_per_m"]["lower"] < expected < found["conductivity_S_per_m"]["upper"]
    assert abs(found["net_charge_e"]) < 100.0  # of some 2000 with either sign
    assert at_rest["transport"]["charges_e"] == {"Li": 1.0, "P": 5.0, "S": -2.0}
    assert "guessed from Li7P3S11" in at_rest["transport"]["charges_from"]


def test_what_is_charged_has_no_conductivity(at_rest):
    """Neither the cell, of which the electrode is metal, nor its windows, nor an interphase with lithium taken up."""
    transport = at_rest["transport"]
    assert "metal of the electrode would count as ions" in transport["whole"]["conduction"]["refused"]
    charged = [*transport["windows"]["rows"]]
    charged += [row["in_plane"] for row in transport["slabs"]["rows"] if row["name"].startswith("interphase")]
    assert len(charged) >= 4
    for each in charged:
        assert "not to zero: the conductivity would depend on the frame" in each["conduction"]["refused"]


def test_a_trend_that_is_there_is_seen_and_one_that_is_not_is_not(at_rest):
    steady = at_rest["transport"]["windows"]["change_per_eV_angstrom_ps_ns"]
    assert steady["lower"][0][0] < 0 < steady["upper"][0][0]
    slowing_ps = 300.0
    found = analyse_interface(planted_layers(500, slowing_ps=slowing_ps), question(window_ps=100.0)).values[
        "transport"
    ]["windows"]
    assert found["chosen"] == "as stated"
    rows = found["rows"]
    assert [row["end_ps"] for row in rows] == pytest.approx([100.0, 200.0, 300.0, 400.0])
    values = np.array([row[L]["value"][0][0] for row in rows])
    lower, upper = (np.array([row[L][name][0][0] for row in rows]) for name in ("lower", "upper"))
    middle = np.array([0.5 * (row["start_ps"] + row["end_ps"]) for row in rows])
    # the planted decay through the whole of the curve, its height from the data
    decay = np.exp(-middle / slowing_ps)
    height = (values / decay).mean()
    assert ((lower < height * decay) & (height * decay < upper)).sum() >= 3
    change = found["change_per_eV_angstrom_ps_ns"]
    assert change["upper"][0][0] < 0


def test_frames_change_coefficients_as_they_should():
    frames = planted_layers(200)
    lattice = analyse_interface(frames, question(frame="lattice")).values["transport"]
    assert lattice["at_rest"] == ["P", "S"]
    host = np.array(lattice["whole"]["n_atoms"]) * [0, 1, 1]
    matrix = np.array(lattice["whole"][L]["value"])
    shares = host / host.sum() / np.maximum(lattice["whole"]["n_atoms"], 1)
    np.testing.assert_allclose(matrix @ shares, 0.0, atol=1e-9 * np.abs(matrix).max())
    hittorf = analyse_interface(frames, question(frame="hittorf", at_rest=("S",))).values["transport"][
        "whole"
    ]
    np.testing.assert_allclose(hittorf[L]["value"][2], 0.0, atol=1e-9 * np.abs(matrix).max())
    # lithium metal is no ion: a cell with an electrode has no ionic conductivity
    assert "metal of the electrode would count as ions" in hittorf["conduction"]["refused"]


def test_what_is_too_short_says_what_it_takes():
    """Eighty frames: coefficients of the cell, but no two windows, and none along the normal of a slab."""
    found = analyse_interface(planted_layers(80), question()).values["transport"]
    assert L in found["whole"]
    assert "79 ps hold 79 steps of 1 ps; 2 windows of 60 take 120 ps" in found["windows"]["refused"]
    for row in found["slabs"]["rows"]:
        assert "supports no transport coefficient" in row["normal"]["refused"]


def test_without_boundaries_there_are_no_slabs_and_the_rest_is_answered():
    rng = np.random.default_rng(0)
    numbers = np.repeat([3, 15, 16], [14, 6, 22])
    walk = rng.normal(0, 0.3, (400, 42, 3)).cumsum(axis=0) + rng.random((42, 3)) * 20.0
    bulk = ArrayFrames(numbers, 1000.0 * np.arange(400), walk, 20.0 * np.eye(3))
    alone = InterfaceAnalysisSettings(
        composition_of("Li"), composition_of("Li7P3S11"), TEMPERATURE_K, parts=("transport",)
    )
    found = analyse_interface(bulk, alone).values["transport"]
    assert "add the part boundaries" in found["slabs"]["refused"]
    assert len(found["windows"]["rows"]) >= 2
    conduction = found["whole"]["conduction"]
    assert conduction["net_charge_e"] == pytest.approx(0.0)
    expected = CHARGES**2 @ [14, 6, 22] * 0.045 / (KB_EV_PER_K * TEMPERATURE_K * 8000.0)
    sigma = conduction["conductivity_S_per_m"]
    assert sigma["lower"] < expected * S_PER_M_PER_E2_PER_EV_ANGSTROM_PS < sigma["upper"]
    assert math.isclose(sum(t["value"] for t in conduction["transference"].values()), 1.0)
    haven = conduction["haven_ratio"]
    assert haven["lower"] < 1.0 < haven["upper"]
