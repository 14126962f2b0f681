"""A trajectory whose electrolyte is used up: two slabs that mix at both faces at a constant rate, until one is gone."""

import numpy as np

from interphase_flows.analysis.geometry.frames import ArrayFrames

ELECTRODE_ANGSTROM, ELECTROLYTE_ANGSTROM = 36.0, 24.0
HEIGHT_ANGSTROM = ELECTRODE_ANGSTROM + ELECTROLYTE_ANGSTROM
SIDE_ANGSTROM = 18.0
PLANES_PER_ANGSTROM = 3


def depleting(rate_angstrom_per_ps: float, *, n_frames: int, frame_interval_ps: float, seed: int) -> ArrayFrames:
    """Return lithium from 0 to 36 Å and Li7P3S11 above, which mix evenly at both faces.

    Each interphase is rate x time thick, half of it out of either side, so the electrolyte is used up after 24 Å / rate.
    """
    rng = np.random.default_rng(seed)
    numbers, heights = [], []
    for height in (np.arange(HEIGHT_ANGSTROM * PLANES_PER_ANGSTROM) + 0.5) / PLANES_PER_ANGSTROM:
        plane = [3] * 12 if height < ELECTRODE_ANGSTROM else [3] * 7 + [15] * 3 + [16] * 11
        numbers += plane
        heights += [height] * len(plane)
    height = np.array(heights)
    # heights above the nearer face, towards the electrolyte
    is_above = (height > 0.5 * ELECTRODE_ANGSTROM) & (height < ELECTRODE_ANGSTROM + 0.5 * ELECTROLYTE_ANGSTROM)
    face = np.where(is_above, ELECTRODE_ANGSTROM, np.where(height < ELECTRODE_ANGSTROM, 0.0, HEIGHT_ANGSTROM))
    way = np.where(is_above, 1.0, -1.0)
    outwards = way * (height - face)
    place = (0.6180339887 * np.arange(len(height))) % 1.0  # in the interphase, in units of its thickness
    across = rng.random((len(height), 2)) * SIDE_ANGSTROM
    positions = np.empty((n_frames, len(height), 3))
    for frame in range(n_frames):
        thick = min(rate_angstrom_per_ps * frame * frame_interval_ps, ELECTROLYTE_ANGSTROM)
        stirred = (place + rng.normal(0, 0.05, len(height))) % 2.0
        stirred = np.minimum(stirred, 2.0 - stirred) - 0.5  # reflected at both boundaries
        now = np.where(np.abs(outwards) < thick / 2, stirred * thick, outwards)
        positions[frame, :, :2] = across
        positions[frame, :, 2] = face + way * now
        positions[frame] += rng.normal(0, 0.05, (len(height), 3))
    cell = np.diag([SIDE_ANGSTROM, SIDE_ANGSTROM, HEIGHT_ANGSTROM])
    return ArrayFrames(np.array(numbers), 1000.0 * frame_interval_ps * np.arange(n_frames), positions, cell)
