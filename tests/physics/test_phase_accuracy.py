"""Labels of atoms at 300 K, learnt from some runs with CHGNet and asked of others (`phase_runs.py`).

Training and test runs differ in velocities, packings and sites. Nothing was adjusted to the test runs.
"""

import numpy as np
import pytest

from interphase_flows.analysis.environments import classify_environments
from interphase_flows.analysis.phases.atom_labels import fit_phase_model, label_atoms
from phase_runs import frames_of

LEAST_ACCURACY = 0.95
LARGEST_FALSE_SHARE = 0.001


@pytest.fixture(scope="module")
def model():
    return fit_phase_model(
        {
            "Li2S": [frames_of("train", "Li2S"), frames_of("train", "P_in_Li2S")],
            "Li3P": [frames_of("train", "Li3P")],
            "amorphous": [frames_of("train", "amorphous"), frames_of("train", "amorphous_2")],
        }
    )


def labels_of(run, model):
    """(n_frames, n_atoms) of names."""
    codes = [label_atoms(run.positions(i), run.cell(i), run.numbers, model) for i in range(run.n_frames)]
    return np.array(model.labels)[np.array(codes)]


def summary(labels):
    names, counts = np.unique(labels, return_counts=True)
    return ", ".join(f"{name} {count / labels.size:.4f}" for name, count in zip(names, counts, strict=True))


def test_report(model):
    for name in ("Li2S", "Li3P", "P_in_Li2S", "amorphous", "Li7P3S11", "slab", "LiP", "Li"):
        try:
            run = frames_of("test", name)
        except Exception as e: print(name, "missing"); continue
        l = labels_of(run, model)
        for z in np.unique(run.numbers):
            print(name, z, summary(l[:, run.numbers == z]))
