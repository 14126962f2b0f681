"""Settings of the transport analysis: charges, frames, windows."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.transport.settings import (
    TransportSettings,
    charges_of,
    formal_charges,
    frame_of,
)
from interphase_flows.exceptions import AnalysisError

SIDES = (composition_of("Li"), composition_of("Li7P3S11"), 600.0)
FRAMES = ArrayFrames(np.array([3, 15, 16]), np.zeros(1), np.zeros((1, 3, 3)), np.eye(3))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Li7P3S11", {"Li": 1, "P": 5, "S": -2}),
        ("Li6PS5Cl", {"Li": 1, "P": 5, "S": -2, "Cl": -1}),
        ("Li10GeP2S12", {"Li": 1, "Ge": 4, "P": 5, "S": -2}),
        ("Na3PS4", {"Na": 1, "P": 5, "S": -2}),
    ],
)
def test_charges_are_guessed_from_a_neutral_electrolyte(formula, expected):
    charges, source = formal_charges(composition_of(formula), tuple(expected))
    assert charges == expected
    assert formula in source


def test_charges_that_cannot_be_guessed_raise():
    with pytest.raises(AnalysisError, match=r"In is not in Li7P3S11\. Hint: state all of them, such as --charges"):
        formal_charges(composition_of("Li7P3S11"), ("In", "Li", "P", "S"))
    with pytest.raises(AnalysisError, match="no common oxidation states, one for each element, make LiPO neutral"):
        formal_charges(composition_of("LiPO"), ("Li", "P", "O"))


def test_charges_and_frames_are_parsed():
    assert charges_of("Li=1, P=5,S=-2") == {"Li": 1.0, "P": 5.0, "S": -2.0}
    assert frame_of("barycentric") == ("barycentric", ())
    assert frame_of("lattice:P,S") == ("lattice", ("P", "S"))
    assert frame_of("hittorf: S") == ("hittorf", ("S",))


@pytest.mark.parametrize("text", ["Li", "Li=one", "Li=1,Li=2", "Qq=1", ""])
def test_malformed_charges_raise(text):
    with pytest.raises(AnalysisError):
        charges_of(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_ps": 0.0}, "must be positive"),
        ({"frame": "hittorf"}, "such as hittorf:S"),
        ({"frame": "hittorf", "at_rest": ("P", "S")}, "one element"),
        ({"at_rest": ("S",)}, "centre of mass"),
        ({"frame": "solvent"}, "choose from"),
    ],
)
def test_inconsistent_settings_raise(settings, message):
    with pytest.raises(AnalysisError, match=message):
        TransportSettings(**settings)


def test_settings_are_checked_against_the_trajectory():
    some = InterfaceAnalysisSettings(*SIDES, transport=TransportSettings(charges_e={"Li": 1.0, "S": -2.0}))
    with pytest.raises(AnalysisError, match="Li, S and not for P"):
        some.check(FRAMES)
    absent = InterfaceAnalysisSettings(*SIDES, transport=TransportSettings(frame="hittorf", at_rest=("Cl",)))
    with pytest.raises(AnalysisError, match="has no Cl to take as at rest"):
        absent.check(FRAMES)


def test_default_host_of_a_lattice_is_the_anions():
    lattice = InterfaceAnalysisSettings(*SIDES, transport=TransportSettings(frame="lattice"))
    assert lattice.transport.elements_at_rest(FRAMES, lattice.sides.anions) == ("P", "S")
    assert TransportSettings().elements_at_rest(FRAMES, ("P", "S")) == ()
