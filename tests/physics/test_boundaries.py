"""Boundaries of unreacted interfaces of crystals."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.interfaces.boundaries import TwoSides, interphase_boundaries
from interphase_flows.analysis.interfaces.slab_scan import SlabCuts
from interphase_flows.structures.crystals.library import load_phase

ELECTRODE_ANGSTROM = 25.0
LITHIUM_PER_ANGSTROM3 = 0.046
THERMAL_ANGSTROM = 0.1
FORMULAS = {"Li7P3S11": {"Li": 7, "P": 3, "S": 11}, "Li3PS4": {"Li": 3, "P": 1, "S": 4}}


def unreacted(phase: str, repeat: tuple[int, int, int], n_frames: int = 4) -> ArrayFrames:
    """Return thermal lithium of the density of the metal on a thermal crystal."""
    rng = np.random.default_rng(0)
    crystal = load_phase(phase) * repeat
    cell = crystal.cell.array.copy()
    height = face_distances(cell)[2]
    longer = (height + ELECTRODE_ANGSTROM) / height
    area = abs(np.linalg.det(cell)) / height
    lithium = rng.random((round(LITHIUM_PER_ANGSTROM3 * area * ELECTRODE_ANGSTROM), 3))
    crystal_fractions = crystal.get_scaled_positions()
    lithium[:, 2] *= 1.0 - 1.0 / longer
    crystal_fractions[:, 2] = 1.0 + (crystal_fractions[:, 2] - 1.0) / longer
    cell[2] *= longer
    sites = np.concatenate([lithium, crystal_fractions]) @ cell
    positions = sites + rng.normal(0.0, THERMAL_ANGSTROM, (n_frames, *sites.shape))
    numbers = np.concatenate([np.full(len(lithium), 3), crystal.numbers])
    return ArrayFrames(numbers, np.arange(n_frames) * 1000.0, positions, cell)


@pytest.mark.parametrize("phase", FORMULAS)
@pytest.mark.parametrize("repeat", [(2, 2, 4), (4, 4, 4)])
def test_unreacted_interface_has_no_interphase(phase, repeat):
    """The thickness is less than a plane of anions, on both sides, at any size: a slab of bulk in twenty is missed."""
    found = interphase_boundaries(unreacted(phase, repeat), TwoSides({"Li"}, FORMULAS[phase]))
    assert found.sides == ("above", "below")
    assert found.thickness_angstrom.max() < 1.5
    assert found.thickness_angstrom.mean() < 0.7
    assert (found.found_share >= 0.95).all()


def test_fixed_tolerance_takes_crystal_planes_for_an_interphase():
    """A fixed tolerance of 2 % gives about 10 Å of interphase."""
    frames = unreacted("Li7P3S11", (4, 4, 4), n_frames=1)
    height = float(face_distances(frames.cell(0))[2])
    cuts = SlabCuts(
        height_angstrom=height,
        widths_angstrom=(3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
        n_phases=20,
        anion_rows=[1, 2],
        bulk_fractions=np.array([7, 3, 11]) / 21,
        tolerance=0.02,
    )
    fractions = frames.positions(0) @ np.linalg.inv(frames.cell(0))
    heights = (fractions[:, 2] - 0.5 * ELECTRODE_ANGSTROM / height) % 1.0
    fine = np.array(
        [np.histogram(heights[frames.numbers == z], bins=cuts.n_fine, range=(0, 1))[0] for z in (3, 15, 16)]
    )
    thickness = cuts.summary(fine, height, 0.0, 1)[2, 0]
    assert 6.0 < thickness < 14.0
    cuts.calibrate(fine, 0.5, 0.8)
    assert cuts.summary(fine, height, 0.0, 1)[2, 0] < 1.5
