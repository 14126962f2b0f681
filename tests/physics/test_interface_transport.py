"""Interface transport of random walkers in layers with known boundaries and coefficients."""

import numpy as np
import pytest
from ase.data import atomic_masses, chemical_symbols

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.reference_frames import frame_matrix
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.units import KB_EV_PER_K, S_PER_M_PER_E2_PER_EV_ANGSTROM_PS
from moving_interphase import LAYERS, NORMAL_ANGSTROM2_PER_PS, planted_layers

TEMPERATURE_K = 600.0
CHARGES = np.array([1.0, 5.0, -2.0])


def settings(**transport):
    return InterfaceAnalysisSettings(
        composition_of("Li"),
        composition_of("Li7P3S11"),
        TEMPERATURE_K,
        parts=("boundaries", "transport"),
        transport=TransportSettings(**transport),
    )


def transport_of(frames, **transport):
    return analyse_interface(frames, settings(**transport)).parts["transport"]


@pytest.fixture(scope="module")
def at_rest():
    return transport_of(planted_layers(500))


def planted(slab, direction):
    """L of independent atoms of a layer in the frame of their centre of mass, 1/(eV Å ps), from the atoms in the slab."""
    layer = next(each for each in LAYERS if each[0] == slab.name)
    coefficients = getattr(slab, direction)
    numbers = sorted(layer[4])
    counts = np.array(coefficients.n_atoms)
    rates = [layer[4][n] if direction == "in_plane" else NORMAL_ANGSTROM2_PER_PS for n in numbers]
    symbols = [chemical_symbols[n] for n in numbers]
    assert symbols == list(coefficients.species)
    frame = frame_matrix("barycentric", symbols, counts, atomic_masses[numbers])
    volume = 16.0 * 16.0 * (slab.upper_angstrom - slab.lower_angstrom)
    return frame @ np.diag(counts * rates) @ frame.T / (KB_EV_PER_K * TEMPERATURE_K * volume)


def inside(estimate, expected):
    """Count the independent elements of a matrix whose interval contains the expected value."""
    return int(((estimate.lower < expected) & (expected < estimate.upper))[np.tril_indices(3)].sum())


def test_slabs_match_the_planted_layers(at_rest):
    slabs = at_rest.slabs
    assert list(slabs.names) == [name for name, *_ in LAYERS]
    for slab in slabs.rows:
        _, lower, upper, *_ = next(each for each in LAYERS if each[0] == slab.name)
        assert slab.upper_angstrom - slab.lower_angstrom == pytest.approx(upper - lower, abs=1.5)
        assert (slab.lower_angstrom - lower + 45) % 90 - 45 == pytest.approx(0.0, abs=1.0)
        assert slab.fraction_staying > 0.85


@pytest.mark.parametrize("direction", ["in_plane", "normal"])
def test_slabs_have_the_planted_coefficients(at_rest, direction):
    """Five in a hundred 95 % intervals may miss; the interphases and the electrolyte have 18 coefficients."""
    n_inside, n_zero = 0, 0
    for slab in at_rest.slabs.rows:
        if slab.name == "electrode":
            continue
        expected, found = planted(slab, direction), getattr(slab, direction)
        n_inside += inside(found.onsager_per_eV_angstrom_ps, expected)
        n_zero += inside(found.beyond_frame_per_eV_angstrom_ps, 0.0)
        assert found.stationary
        np.testing.assert_allclose(np.diag(found.onsager_per_eV_angstrom_ps.value), np.diag(expected), rtol=0.6)
    assert n_inside >= 15
    assert n_zero >= 15  # independent walkers have no correlation beyond the frame


def test_conductivity_of_a_slab_is_that_of_its_walkers(at_rest):
    slab = next(each for each in at_rest.slabs.rows if each.name == "electrolyte")
    expected = CHARGES @ planted(slab, "in_plane") @ CHARGES * S_PER_M_PER_E2_PER_EV_ANGSTROM_PS
    conduction = slab.in_plane.conduction
    assert conduction.conductivity_S_per_m.lower < expected < conduction.conductivity_S_per_m.upper
    assert abs(conduction.net_charge_e) < 100.0  # of some 2000 of either sign
    assert at_rest.charges_e == {"Li": 1.0, "P": 5.0, "S": -2.0}
    assert "guessed from Li7P3S11" in at_rest.charges_from


def test_conductivity_is_unavailable_if_charges_do_not_add_up_to_zero(at_rest):
    """The cell (whose electrode is metal), its windows, and an interphase with additional lithium are charged."""
    assert "metal of the electrode is counted as ions" in at_rest.entire_cell.conduction.reason
    charged = [each.coefficients for each in at_rest.windows.rows]
    charged += [each.in_plane for each in at_rest.slabs.rows if each.name.startswith("interphase")]
    assert len(charged) >= 4
    for each in charged:
        assert "so the conductivity would depend on the reference frame" in each.conduction.reason


def test_trend_over_windows_is_found_only_where_one_is_planted(at_rest):
    steady = at_rest.windows.change_per_eV_angstrom_ps_ns
    assert steady.lower[0, 0] < 0 < steady.upper[0, 0]
    slowing_ps = 300.0
    windows = transport_of(planted_layers(500, slowing_ps=slowing_ps), window_ps=100.0).windows
    assert windows.chosen == "as specified"
    assert [each.end_ps for each in windows.rows] == pytest.approx([100.0, 200.0, 300.0, 400.0])
    lithium = [each.coefficients.onsager_per_eV_angstrom_ps[0, 0] for each in windows.rows]
    value, lower, upper = (np.array([getattr(each, name) for each in lithium]) for name in ("value", "lower", "upper"))
    middle = np.array([0.5 * (each.start_ps + each.end_ps) for each in windows.rows])
    # the planted exponential decay, its height fitted
    decay = np.exp(-middle / slowing_ps)
    height = (value / decay).mean()
    assert ((lower < height * decay) & (height * decay < upper)).sum() >= 3
    assert windows.change_per_eV_angstrom_ps_ns.upper[0, 0] < 0


def test_coefficients_of_the_species_at_rest_vanish_in_each_frame():
    frames = planted_layers(200)
    lattice = transport_of(frames, frame="lattice")
    assert lattice.at_rest == ("P", "S")
    host = np.array(lattice.entire_cell.n_atoms) * [0, 1, 1]
    matrix = lattice.entire_cell.onsager_per_eV_angstrom_ps.value
    shares = host / host.sum() / np.maximum(lattice.entire_cell.n_atoms, 1)
    np.testing.assert_allclose(matrix @ shares, 0.0, atol=1e-9 * np.abs(matrix).max())
    hittorf = transport_of(frames, frame="hittorf", at_rest=("S",)).entire_cell
    np.testing.assert_allclose(hittorf.onsager_per_eV_angstrom_ps.value[2], 0.0, atol=1e-9 * np.abs(matrix).max())
    # lithium metal is not ionic: a cell with an electrode has no ionic conductivity
    assert "metal of the electrode is counted as ions" in hittorf.conduction.reason


def test_short_trajectory_reports_the_length_that_windows_need():
    """Eighty frames: coefficients of the cell, but neither two windows nor any along the normal of a slab."""
    transport = transport_of(planted_layers(80))
    assert not isinstance(transport.entire_cell, Unavailable)
    assert "trajectory of 79 ps has 79 steps of 1 ps, but 2 windows of 60 steps need 120 ps" in transport.windows.reason
    for slab in transport.slabs.rows:
        assert "supports no transport coefficient" in slab.normal.reason


def test_only_slabs_are_unavailable_without_boundaries():
    rng = np.random.default_rng(0)
    numbers = np.repeat([3, 15, 16], [14, 6, 22])
    walk = rng.normal(0, 0.3, (400, 42, 3)).cumsum(axis=0) + rng.random((42, 3)) * 20.0
    bulk = ArrayFrames(numbers, 1000.0 * np.arange(400), walk, 20.0 * np.eye(3))
    alone = InterfaceAnalysisSettings(
        composition_of("Li"), composition_of("Li7P3S11"), TEMPERATURE_K, parts=("transport",)
    )
    transport = analyse_interface(bulk, alone).parts["transport"]
    assert transport.slabs.reason == "slabs need boundaries, which were not requested"
    assert transport.slabs.hint == "add the part boundaries"
    assert len(transport.windows.rows) >= 2
    conduction = transport.entire_cell.conduction
    assert conduction.net_charge_e == pytest.approx(0.0)
    expected = CHARGES**2 @ [14, 6, 22] * 0.045 / (KB_EV_PER_K * TEMPERATURE_K * 8000.0)
    sigma = conduction.conductivity_S_per_m
    assert sigma.lower < expected * S_PER_M_PER_E2_PER_EV_ANGSTROM_PS < sigma.upper
    assert sum(each.value for each in conduction.transference.values()) == pytest.approx(1.0)
    assert conduction.haven_ratio.lower < 1.0 < conduction.haven_ratio.upper
