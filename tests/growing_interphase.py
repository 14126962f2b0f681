"""Trajectories of an interphase with a planted thickness: two slabs that mix at both faces."""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.geometry.frames import ArrayFrames

HEIGHT_ANGSTROM = 90.0
ELECTRODE_ANGSTROM = 30.0
SIDE_ANGSTROM = 18.0
CELL = np.diag([SIDE_ANGSTROM, SIDE_ANGSTROM, HEIGHT_ANGSTROM])


def growing(
    angstrom2_per_ps: float, *, n_frames: int = 200, planes_per_angstrom: int = 5, seed: int = 0
) -> ArrayFrames:
    """Return lithium from 0 to 30 Å and 60 Å of Li7P3S11 above, which mix evenly at both faces; a frame per ps.

    Each interphase is sqrt(`angstrom2_per_ps` x time) thick, half of it out of either side.
    """
    thickness = np.sqrt(angstrom2_per_ps * np.arange(n_frames))
    sides = ELECTRODE_ANGSTROM, HEIGHT_ANGSTROM - ELECTRODE_ANGSTROM
    return mixing(thickness, 1.0, *sides, lithium_per_plane=10, planes_per_angstrom=planes_per_angstrom, seed=seed)


def mixing(
    thickness_angstrom: Sequence[float] | np.ndarray,
    frame_interval_ps: float,
    electrode_angstrom: float,
    electrolyte_angstrom: float,
    *,
    lithium_per_plane: int,
    planes_per_angstrom: int,
    seed: int,
) -> ArrayFrames:
    """Return lithium and Li7P3S11 above it, with interphases of the given thickness in each frame at both faces."""
    rng = np.random.default_rng(seed)
    top = electrode_angstrom + electrolyte_angstrom
    numbers, heights = [], []
    for layer in (np.arange(top * planes_per_angstrom) + 0.5) / planes_per_angstrom:
        plane = [3] * lithium_per_plane if layer < electrode_angstrom else [3] * 7 + [15] * 3 + [16] * 11
        numbers += plane
        heights += [layer] * len(plane)
    height = np.array(heights)
    # heights above the nearer face, towards the electrolyte
    is_above = (height > 0.5 * electrode_angstrom) & (height < electrode_angstrom + 0.5 * electrolyte_angstrom)
    face = np.where(is_above, electrode_angstrom, np.where(height < electrode_angstrom, 0.0, top))
    way = np.where(is_above, 1.0, -1.0)
    outwards = way * (height - face)
    place = (0.6180339887 * np.arange(len(height))) % 1.0  # in the interphase, in units of its thickness
    across = rng.random((len(height), 2)) * SIDE_ANGSTROM
    positions = np.empty((len(thickness_angstrom), len(height), 3))
    for frame, thick in enumerate(thickness_angstrom):
        stirred = (place + rng.normal(0, 0.05, len(height))) % 2.0
        stirred = np.minimum(stirred, 2.0 - stirred) - 0.5  # reflected at both boundaries
        now = np.where(np.abs(outwards) < thick / 2, stirred * thick, outwards)
        positions[frame, :, :2] = across
        positions[frame, :, 2] = face + way * now
        positions[frame] += rng.normal(0, 0.05, (len(height), 3))
    time_fs = 1000.0 * frame_interval_ps * np.arange(len(positions))
    return ArrayFrames(np.array(numbers), time_fs, positions, np.diag([SIDE_ANGSTROM, SIDE_ANGSTROM, top]))
