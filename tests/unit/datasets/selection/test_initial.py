"""Selection of the initial structures to label."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.distance import cdist

from interphase_flows.datasets.selection.descriptors import frame_descriptor
from interphase_flows.datasets.selection.initial import select_initial
from interphase_flows.schemas.origin import Origin
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from interphase_flows.structures.dimers import isolated_atoms


@pytest.fixture(scope="module")
def pool() -> tuple[list[Atoms], list[Origin]]:
    """Clusters of near-duplicates and a few structures far from them, as initial structures are."""
    frames, origins = [], []
    for name, n, strain, rattle in [
        ("Li", 20, 0.002, 0.01),
        ("Li2S", 20, 0.002, 0.01),
        ("Li3P", 6, 0.08, 0.15),
        ("Li2S", 6, 0.1, 0.2),
    ]:
        crystal = load_phase(name)
        frames += [crystal, *strained_and_rattled(crystal, n, strain, rattle, seed=1, min_atoms=8)]
        origins += [Origin(f"crystal/{name} {n}")] * (n + 1)
    return frames, origins


def uncovered(descriptors: np.ndarray, chosen: list[int]) -> float:
    """Return the mean distance of the pool from the nearest selected structure."""
    return float(cdist(descriptors, descriptors[chosen]).min(axis=1).mean())


def test_selection_covers_the_pool_better_than_random(pool):
    """Both keep the first structure of every origin; none of 50 random selections is as good."""
    frames, origins = pool
    descriptors = np.array([frame_descriptor(frame, ["Li", "P", "S"]) for frame in frames])
    chosen = select_initial(frames, origins, 16)
    assert len(chosen) == 16
    first = [origins.index(origin) for origin in dict.fromkeys(origins)]
    rest = sorted(set(range(len(frames))) - set(first))
    rng = np.random.default_rng(0)
    at_random = [[*first, *rng.choice(rest, len(chosen) - len(first), replace=False)] for _ in range(50)]
    assert uncovered(descriptors, chosen) < min(uncovered(descriptors, pick) for pick in at_random)


def test_first_structure_of_every_origin_is_selected(pool):
    frames, origins = pool
    chosen = select_initial(frames, origins, 10)
    assert {origins.index(origin) for origin in origins} <= set(chosen)
    assert chosen == sorted(chosen)


def test_near_duplicates_are_not_selected_even_below_the_limit():
    """Ten copies that differ by 1e-4 Å are one structure; twelve that differ more are twelve."""
    crystal = load_phase("Li2S")
    copies = strained_and_rattled(crystal, 10, 0.0, 1e-4, seed=1)
    others = strained_and_rattled(crystal, 12, 0.05, 0.2, seed=2)
    chosen = select_initial([crystal, *copies, *others], [Origin("crystal/Li2S")] * 23, 22)
    assert len([index for index in chosen if 1 <= index <= 10]) == 0
    assert len([index for index in chosen if index > 10]) == 12


def test_isolated_atoms_are_always_selected(pool):
    frames, origins = pool
    alone = isolated_atoms({"Li", "P", "S"}, 12.0)
    chosen = select_initial([*frames, *alone], [*origins, *[Origin("atom/Li-P-S")] * 3], 12)
    assert set(chosen) >= {len(frames), len(frames) + 1, len(frames) + 2}
