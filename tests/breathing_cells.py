"""Trajectories in cells that change, made from trajectories in a constant cell."""

import numpy as np
from scipy.signal import lfilter

from interphase_flows.analysis.geometry.frames import ArrayFrames

AXES = {"normal": [0, 0, 1], "orthogonal": [1, 1, 1], "isotropic": [1, 1, 1]}


def breathing_strain(rng: np.random.Generator, n_frames: int, axes: str, rms: float = 0.01) -> np.ndarray:
    """Return correlated relative changes of the lengths along x, y, z with zero mean, (n_frames, 3)."""
    noise = rng.standard_normal((n_frames, 1 if axes == "isotropic" else 3))
    strain = lfilter([1.0], [1.0, -0.9], noise, axis=0)
    strain = (strain - strain.mean(axis=0)) / strain.std(axis=0)
    return rms * strain * np.array(AXES[axes])


def in_changing_cell(frames: ArrayFrames, strain: np.ndarray) -> ArrayFrames:
    """Stretch cells and positions of every frame along x, y, z; fractional coordinates do not change."""
    stretch = (1.0 + strain)[:, None, :]
    return ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions * stretch, frames.cells * stretch)
