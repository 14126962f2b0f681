"""The first labels: what is needed, then the most diverse; better than random at the same number."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.distance import cdist

from interphase_flows.datasets.initial_selection import first_choice
from interphase_flows.datasets.selection import frame_descriptor
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from interphase_flows.structures.dimers import isolated_atoms


@pytest.fixture(scope="module")
def pool() -> tuple[list[Atoms], list[str]]:
    """Crowds of siblings and a few structures far from them, as first structures are."""
    frames, origins = [], []
    for name, n, strain, rattle in [
        ("Li", 20, 0.002, 0.01),
        ("Li2S", 20, 0.002, 0.01),
        ("Li3P", 6, 0.08, 0.15),
        ("Li2S", 6, 0.1, 0.2),
    ]:
        crystal = load_phase(name)
        frames += [crystal, *strained_and_rattled(crystal, n, strain, rattle, seed=1, min_atoms=8)]
        origins += [f"crystal/{name} {n}"] * (n + 1)
    return frames, origins


def uncovered(descriptors: np.ndarray, chosen: list[int]) -> float:
    """Mean distance of the pool from the nearest chosen structure."""
    return float(cdist(descriptors, descriptors[chosen]).min(axis=1).mean())


def test_it_covers_the_space_better_than_random_choices_of_the_same_size(pool):
    """Both keep the first structure of every origin; of 50 random choices none does as well."""
    frames, origins = pool
    descriptors = np.array([frame_descriptor(frame, ["Li", "P", "S"]) for frame in frames])
    chosen = first_choice(frames, origins, 16)
    assert len(chosen) == 16
    first = [origins.index(origin) for origin in dict.fromkeys(origins)]
    rest = sorted(set(range(len(frames))) - set(first))
    rng = np.random.default_rng(0)
    at_random = [[*first, *rng.choice(rest, len(chosen) - len(first), replace=False)] for _ in range(50)]
    assert uncovered(descriptors, chosen) < min(uncovered(descriptors, pick) for pick in at_random)


def test_perfect_crystals_and_every_origin_are_kept(pool):
    frames, origins = pool
    chosen = first_choice(frames, origins, 10)
    assert {origins.index(origin) for origin in origins} <= set(chosen)
    assert chosen == sorted(chosen)


def test_siblings_are_not_paid_for_although_there_is_room():
    """Ten copies that differ by 1e-4 Å are one structure; twelve that differ more are twelve."""
    crystal = load_phase("Li2S")
    copies = strained_and_rattled(crystal, 10, 0.0, 1e-4, seed=1)
    others = strained_and_rattled(crystal, 12, 0.05, 0.2, seed=2)
    chosen = first_choice([crystal, *copies, *others], ["crystal/Li2S"] * 23, 22)
    assert len([index for index in chosen if 1 <= index <= 10]) == 0
    assert len([index for index in chosen if index > 10]) == 12


def test_atoms_without_neighbours_are_no_siblings_of_each_other(pool):
    frames, origins = pool
    alone = isolated_atoms({"Li", "P", "S"}, 12.0)
    chosen = first_choice([*frames, *alone], [*origins, *["atom/Li-P-S"] * 3], 12)
    assert set(chosen) >= {len(frames), len(frames) + 1, len(frames) + 2}
