"""Interphases with correlated, bounded noise whose verdict is known, and the accuracy of rates of such noise."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from correlated_series import correlated_noise
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.verdict import verdict

LENGTH_PS, N_FRAMES = 4000.0, 1000
EPSILON_RATE = 0.01 * 20.0 / 80.0
AREA_NM2 = 20.0
KINDS = ("passivated", "leaking", "growing", "cut off", "starved")


def noisy_history(kind: str, seed: int, correlation: float = 0.9, size_angstrom: float = 0.3) -> InterphaseHistory:
    """Return 4 ns in 1000 frames with bounded noise of this correlation of neighbouring frames.

    ``passivated`` stops after 80 ps, ``leaking`` continues at twice epsilon, ``growing`` is a square root, ``cut off``
    would stop, but later than the series ends, and ``starved`` stops because the lithium is used up.
    """
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, LENGTH_PS, N_FRAMES)
    grown = {
        "growing": np.sqrt(4.0 * time + 25.0) - 5.0,
        "cut off": 20.0 * -np.expm1(-time / 1200.0),
    }.get(kind, 20.0 * -np.expm1(-time / 80.0))
    if kind == "leaking":
        grown = grown + 2.0 * EPSILON_RATE * time
    noise = correlated_noise(3, seed + 1, size=1.0, correlation=correlation, n_frames=N_FRAMES)
    events = rng.poisson(np.diff(grown, prepend=0.0) * 8.0 * AREA_NM2)
    return InterphaseHistory(
        time_ps=time,
        thickness_angstrom=4.0 + grown + size_angstrom * noise[0],
        passed_atoms_per_nm2={
            "Li": np.cumsum(events) / AREA_NM2 + size_angstrom * noise[1],
            "S": size_angstrom * noise[2],
        },
        reservoirs={"lithium": (20.0 if kind == "starved" else 300.0) - grown, "electrolyte": 300.0 - grown},
        area_nm2=AREA_NM2,
    )


def states(kind: str, seeds: Iterable[int], **noise: float) -> Counter[str]:
    """Return the number of verdicts by state."""
    return Counter(verdict([noisy_history(kind, seed, **noise)]).state for seed in seeds)
