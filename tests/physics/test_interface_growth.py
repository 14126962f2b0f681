"""All analysis parts on a trajectory with known growth."""

import math

import numpy as np
import pytest

from growing_interphase import growing
from interphase_flows.analysis.interfaces.plane_flux import crossings
from interphase_flows.analysis.pipeline.interface_analysis import InterfaceAnalysis, analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of

SETTINGS = InterfaceAnalysisSettings(
    composition_of("Li"),
    composition_of("Li7P3S11"),
    600.0,
    parts=("boundaries", "growth", "fluxes", "verdict"),
)
K_ANGSTROM2_PER_PS = 2.0


@pytest.fixture(scope="module")
def grown() -> InterfaceAnalysis:
    return analyse_interface(growing(K_ANGSTROM2_PER_PS), SETTINGS)


@pytest.mark.parametrize("side", ["above", "below"])
def test_known_thickness_and_rate_are_found(grown, side):
    planted = math.sqrt(K_ANGSTROM2_PER_PS * 189.5)
    found = grown.parts["boundaries"].sides[side]
    assert found.thickness_end_angstrom == pytest.approx(planted, abs=1.2)  # the outermost atoms are inside
    check = grown.parts["verdict"].sides[side].checks["thickness"]
    last = check.windows_per_ps[1]
    slope = (math.sqrt(2 * 199) - math.sqrt(2 * 149.25)) / 49.75
    assert last.lower < slope < last.upper
    assert last.lower > 0


def test_verdict_is_growing(grown):
    assert grown.parts["verdict"].state == "growing"


@pytest.mark.parametrize("side", ["above", "below"])
def test_only_lithium_crosses_the_electrode_side(grown, side):
    rows = grown.parts["fluxes"].crossings[side].rows
    passed = {row.species: row.passed_atoms_per_nm2 for row in rows if row.boundary == "electrode side"}
    # half the interphase came out of the electrode, which has 50 atoms in a slab of 18 x 18 x 1 Å
    assert passed["Li"] == pytest.approx(0.5 * math.sqrt(2 * 199) * 50 / 3.24, rel=0.1)
    assert abs(passed["P"]) < 3
    assert abs(passed["S"]) < 3


def test_ten_frames_are_undecided():
    found = analyse_interface(growing(K_ANGSTROM2_PER_PS, n_frames=15), SETTINGS).parts
    assert found["verdict"].state == "undecided"
    for side in ("above", "below"):
        assert found["verdict"].sides[side].trajectory_needed_ps[0] > 14.0
        assert "at least 20" in found["growth"].sides[side].reason


def test_boundary_is_at_the_end_of_the_lithium():
    """Heights above the lower ab face: the electrode fills 0 to 30 Å of the cell."""
    frames = growing(0.0, n_frames=3)
    found = analyse_interface(frames, SETTINGS)
    above = found.arrays["above.electrode_side_angstrom"]
    np.testing.assert_allclose(above, 30.0, atol=0.5)
    counted = crossings(frames, {"below": above - 25.0, "at": above})
    metal = ((frames.numbers == 3) & (np.abs(frames.positions(0)[:, 2] - 17.5) < 12.5)).sum()
    assert counted.atoms_between[0, 0, 0] == pytest.approx(metal, rel=0.03)
