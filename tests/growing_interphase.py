"""A trajectory of an interphase whose growth is planted: two slabs that mix at both faces, at a known rate."""

import numpy as np

from interphase_flows.analysis.geometry.frames import ArrayFrames

HEIGHT_ANGSTROM = 90.0
ELECTRODE_ANGSTROM = 30.0
CELL = np.diag([18.0, 18.0, HEIGHT_ANGSTROM])


def growing(
    angstrom2_per_ps: float, *, n_frames: int = 200, planes_per_angstrom: int = 5, seed: int = 0
) -> ArrayFrames:
    """Return lithium from 0 to 30 Å and Li7P3S11 above, which mix evenly at both faces; a frame per ps.

    Each interphase is sqrt(`angstrom2_per_ps` x time) thick, half of it out of either side.
    """
    rng = np.random.default_rng(seed)
    numbers, start = [], []
    for layer in (np.arange(HEIGHT_ANGSTROM * planes_per_angstrom) + 0.5) / planes_per_angstrom:
        plane = [3] * 10 if layer < ELECTRODE_ANGSTROM else [3] * 7 + [15] * 3 + [16] * 11
        numbers += plane
        start += [layer] * len(plane)
    height = np.array(start)
    # heights above the middle of the nearer face, towards the electrolyte
    face = np.where((height > 15.0) & (height < 60.0), ELECTRODE_ANGSTROM, np.where(height < 30, 0.0, 90.0))
    way = np.where(face == ELECTRODE_ANGSTROM, 1.0, -1.0)
    outwards = way * (height - face)
    place = (0.6180339887 * np.arange(len(height))) % 1.0  # in the interphase, in units of its thickness
    across = rng.random((len(height), 2)) * 18.0
    positions = np.empty((n_frames, len(height), 3))
    for frame in range(n_frames):
        thick = np.sqrt(angstrom2_per_ps * frame)
        stirred = (place + rng.normal(0, 0.05, len(height))) % 2.0
        stirred = np.minimum(stirred, 2.0 - stirred) - 0.5  # reflected at both boundaries
        now = np.where(np.abs(outwards) < thick / 2, stirred * thick, outwards)
        positions[frame, :, :2] = across
        positions[frame, :, 2] = face + way * now
        positions[frame] += rng.normal(0, 0.05, (len(height), 3))
    return ArrayFrames(np.array(numbers), 1000.0 * np.arange(n_frames), positions, CELL)
