"""A trajectory whose electrolyte is used up: two slabs that mix at both faces at a constant rate, until one is gone."""

import numpy as np

from growing_interphase import mixing
from interphase_flows.analysis.geometry.frames import ArrayFrames

ELECTRODE_ANGSTROM, ELECTROLYTE_ANGSTROM = 36.0, 24.0
HEIGHT_ANGSTROM = ELECTRODE_ANGSTROM + ELECTROLYTE_ANGSTROM


def depleting(rate_angstrom_per_ps: float, *, n_frames: int, frame_interval_ps: float, seed: int) -> ArrayFrames:
    """Return lithium from 0 to 36 Å and Li7P3S11 above, which mix evenly at both faces.

    Each interphase is rate x time thick, half of it out of either side, so the electrolyte is used up after 24 Å / rate.
    """
    thickness = np.minimum(rate_angstrom_per_ps * np.arange(n_frames) * frame_interval_ps, ELECTROLYTE_ANGSTROM)
    return mixing(
        thickness,
        frame_interval_ps,
        ELECTRODE_ANGSTROM,
        ELECTROLYTE_ANGSTROM,
        lithium_per_plane=12,
        planes_per_angstrom=3,
        seed=seed,
    )
