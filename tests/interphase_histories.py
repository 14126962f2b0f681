"""Interphases whose verdict is known: growing, passivated, depleted, and undecided for lack of data."""

import numpy as np

from correlated_series import correlated_noise
from interphase_flows.analysis.passivation.history import InterphaseHistory

AREA_NM2 = 20.0
ATOMS_PER_NM2_AND_ANGSTROM = {"Li": 8.0, "P": 1.0, "S": 0.0}
"""What crosses a boundary for each Å of growth; S is held by its lattice."""


def history(kind, seed):
    """Return 4 ns in 1000 frames: thickness with boundary noise, crossings as events, both reservoirs."""
    rng = np.random.default_rng(seed)
    # a boundary that is hard to see, for a short time, against one seen well for long
    length_ps, n_frames, noise_angstrom = (800.0, 200, 1.0) if kind == "undecided" else (4000.0, 1000, 0.15)
    time = np.linspace(0.0, length_ps, n_frames)
    # the square root never ends, the exponential does: the same start, another end
    grown = np.sqrt(4.0 * time + 25.0) - 5.0 if kind == "growing" else 20.0 * -np.expm1(-time / 80.0)
    passed = {}
    for species, atoms in ATOMS_PER_NM2_AND_ANGSTROM.items():
        events = rng.poisson(np.diff(grown, prepend=0.0) * atoms * AREA_NM2)
        passed[species] = np.cumsum(events) / AREA_NM2 + rng.normal(0.0, 0.1, n_frames)
    lithium = 20.0 if kind == "depleted" else 300.0
    noise = correlated_noise(2, seed + 1, size=noise_angstrom, n_frames=n_frames)
    return InterphaseHistory(
        time_ps=time,
        thickness_angstrom=4.0 + grown + noise[0],
        passed_atoms_per_nm2=passed,
        reservoirs={"lithium": lithium - grown + noise[1], "electrolyte": 300.0 - grown},
    )
