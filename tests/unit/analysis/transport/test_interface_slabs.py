"""Slabs between moving boundaries: which atoms are in which, and how thick each is."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.transport.interface_slabs import common_frames, parts_of, slabs_between
from interphase_flows.analysis.transport.interface_transport import analyse_transport
from interphase_flows.exceptions import AnalysisError

N_FRAMES = 3
HEIGHTS = np.arange(0.25, 90.0, 0.5)
CELL = np.array([[10.0, 0, 0], [2.0, 10.0, 0], [-3.0, 4.0, 90.0]])


def interface(name, begin, end, *, electrode=20.0, electrolyte=40.0, first=0, n_frames=N_FRAMES):
    def constant(x):
        return np.full(n_frames, float(x))

    return Interface(
        name, first, np.ones(n_frames, dtype=bool), np.arange(float(n_frames)),
        constant(abs(end - begin)), constant(begin), constant(end),
        {"electrode": constant(electrode), "electrolyte": constant(electrolyte)},
    )  # fmt: skip


def column(heights=HEIGHTS, drift=0.0):
    """One atom at each height, on a line along c; all of it moves by `drift` Å along the normal per frame."""
    fractions = np.column_stack([np.zeros((len(heights), 2)), np.asarray(heights) / 90.0])
    start = fractions @ CELL
    moved = np.arange(N_FRAMES)[:, None, None] * drift * np.array([0.0, 0.0, 1.0])
    return ArrayFrames(np.full(len(heights), 3), 1000.0 * np.arange(N_FRAMES), start + moved, CELL)


def inside(cut, heights=HEIGHTS):
    return {name: heights[cut.region_of_atom == i] for i, name in enumerate(cut.names)}


def test_a_cell_with_two_interfaces_is_cut_into_all_of_its_slabs():
    above, below = interface("above", 30.0, 50.0), interface("below", -2.0, -14.0)
    cut = slabs_between(column(), [above, below], [2, 1])(0)
    assert cut.names == (
        "electrode",
        "interphase above, part 1 of 2",
        "interphase above, part 2 of 2",
        "electrolyte",
        "interphase below",
    )
    np.testing.assert_allclose(cut.thickness_angstrom, [32.0, 10.0, 10.0, 26.0, 12.0])
    np.testing.assert_allclose(cut.lower_angstrom, [88.0, 30.0, 40.0, 50.0, 76.0])
    assert cut.thickness_angstrom.sum() == pytest.approx(90.0)
    found = inside(cut)
    assert [len(atoms) for atoms in found.values()] == [64, 20, 20, 52, 24]
    assert set(found["electrode"]) == set(HEIGHTS[(HEIGHTS < 30) | (HEIGHTS > 88)])
    assert (np.abs(found["interphase above, part 2 of 2"] - 45) < 5).all()
    assert (np.abs(found["interphase below"] - 82) < 6).all()


def test_parts_are_counted_from_the_electrode():
    below = interface("below", -2.0, -22.0)
    cut = slabs_between(column(), [interface("above", 30.0, 40.0), below], [1, 2])(0)
    found = inside(cut)
    assert (found["interphase below, part 1 of 2"] > 77.9).all()
    assert (found["interphase below, part 2 of 2"] < 78.1).all()


@pytest.mark.parametrize("name", ["above", "below"])
def test_vacuum_ends_electrode_and_electrolyte(name):
    """Atoms from 10 to 60 Å; electrode, 12 Å of interphase, electrolyte; 40 Å of vacuum."""
    heights = np.arange(10.25, 60.0, 0.5)
    if name == "above":
        one = interface("above", 25.0, 37.0, electrode=55.0, electrolyte=23.0)
    else:
        one = interface("below", 45.0, 33.0, electrode=55.0, electrolyte=23.0)
    cut = slabs_between(column(heights), [one], [1])(0)
    assert set(cut.names) == {"electrode", f"interphase {name}", "electrolyte"}
    found = inside(cut, heights)
    assert sum(len(atoms) for atoms in found.values()) == len(heights)
    thickness = dict(zip(cut.names, cut.thickness_angstrom, strict=True))
    assert thickness["electrode"] == pytest.approx(14.75, abs=1e-3)
    assert thickness["electrolyte"] == 23.0
    assert len(found["electrode"]) == 30
    assert len(found["electrolyte"]) == 46


def test_the_drift_of_everything_moves_no_atom_to_another_slab():
    above, below = interface("above", 30.0, 50.0), interface("below", -2.0, -14.0)
    cut = slabs_between(column(drift=7.0), [above, below], [1, 1])
    np.testing.assert_array_equal(cut(0).region_of_atom, cut(2).region_of_atom)


def test_interfaces_that_are_never_followed_together_have_no_slabs():
    """The lower interface is lost before the upper one has a boundary; only the slabs are unavailable."""
    above, below = interface("above", 30.0, 50.0, first=2), interface("below", -2.0, -14.0, n_frames=2)
    with pytest.raises(AnalysisError, match=r"never followed at the same time \(above in frames 2 to 4; below in"):
        common_frames([above, below])
    settings = InterfaceAnalysisSettings({"Li": 1.0}, {"Li": 7.0, "P": 3.0, "S": 11.0}, 600.0)
    walk = np.random.default_rng(0).normal(size=(200, 30, 3)).cumsum(axis=0) + 4.0
    frames = ArrayFrames(np.repeat([3, 15, 16], 10), 1000.0 * np.arange(200), walk, CELL)
    result = analyse_transport(ProgressFrames(frames), settings, settings.transport, [above, below], "")
    assert "never followed at the same time" in result.slabs.reason


def test_frames_and_parts():
    assert common_frames([interface("above", 0, 9, first=2), interface("below", 0, -9, n_frames=4)]) == (2, 4)
    assert [parts_of(interface("above", 0, x)) for x in (0.5, 12.0, 25.0, 99.0)] == [1, 1, 2, 3]
