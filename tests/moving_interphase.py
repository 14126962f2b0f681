"""A trajectory of a finished interphase whose atoms walk: layers with boundaries and diffusion known by construction."""

import numpy as np

from interphase_flows.analysis.geometry.frames import ArrayFrames

CELL = np.diag([16.0, 16.0, 90.0])
PLANES_PER_ANGSTROM = 3
LAYERS = (
    # name, lower and upper face in Å, atoms in a plane, diffusion in the plane by element, Å²/ps
    ("electrode", 0.0, 30.0, {3: 6}, {3: 0.05}),
    ("interphase above", 30.0, 45.0, {3: 12, 15: 2, 16: 6}, {3: 0.2, 15: 0.02, 16: 0.04}),
    ("electrolyte", 45.0, 75.0, {3: 7, 15: 3, 16: 11}, {3: 0.6, 15: 0.01, 16: 0.02}),
    ("interphase below", 75.0, 90.0, {3: 12, 15: 2, 16: 6}, {3: 0.2, 15: 0.02, 16: 0.04}),
)
NORMAL_ANGSTROM2_PER_PS = 2e-4
"""Diffusion of every atom along the normal."""


def planted_layers(n_frames: int, *, seed: int = 0, slowing_ps: float = np.inf) -> ArrayFrames:
    """Return independent walkers in layers, a frame per ps; in-plane rates decay as exp(-t / `slowing_ps`)."""
    rng = np.random.default_rng(seed)
    numbers, height, rate = [], [], []
    for _, lower, upper, plane, diffusion in LAYERS:
        for i in range(round((upper - lower) * PLANES_PER_ANGSTROM)):
            for number, count in plane.items():
                numbers += [number] * count
                height += [lower + (i + 0.5) / PLANES_PER_ANGSTROM] * count
                rate += [diffusion[number]] * count
    n_atoms = len(numbers)
    now = np.exp(-np.arange(n_frames) / slowing_ps)
    steps = rng.standard_normal((n_frames, n_atoms, 3), dtype=np.float32)
    steps[:, :, :2] *= np.sqrt(2.0 * np.outer(now, rate))[:, :, None]
    steps[:, :, 2] *= np.sqrt(2.0 * NORMAL_ANGSTROM2_PER_PS)
    steps[0] = np.column_stack([rng.random((n_atoms, 2)) * 16.0, height])
    return ArrayFrames(np.array(numbers), 1000.0 * np.arange(n_frames), steps.cumsum(axis=0), CELL)
