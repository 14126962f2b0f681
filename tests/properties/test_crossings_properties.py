"""Conservation of atoms between moving planes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.plane_flux import crossings

many = settings(max_examples=60, deadline=None, derandomize=True)


@many
@given(seed=st.integers(0, 2**32 - 1), n_planes=st.integers(2, 5), breathing=st.booleans())
def test_change_between_planes_equals_net_crossings(seed, n_planes, breathing):
    rng = np.random.default_rng(seed)
    n_frames, n_atoms = int(rng.integers(2, 12)), int(rng.integers(3, 60))
    cell = np.diag(rng.uniform(4, 20, 3)) + rng.uniform(-1.5, 1.5, (3, 3))
    cells = cell * (1 + 0.05 * rng.random((n_frames, 1, 1)) if breathing else np.ones((n_frames, 1, 1)))
    steps = rng.normal(0, 0.3, (n_frames, n_atoms, 3))
    fractions = rng.random((n_atoms, 3)) + np.cumsum(steps, axis=0)
    frames = ArrayFrames(rng.choice([3, 15, 16], n_atoms), np.arange(n_frames) * 10.0, fractions @ cells, cells)
    height = abs(np.linalg.det(cells)) / np.linalg.norm(np.cross(cells[:, 0], cells[:, 1]), axis=1)
    wander = np.cumsum(rng.normal(0, 0.2, n_frames))
    shares = np.sort(rng.uniform(0, 0.95, n_planes))
    planes = {f"plane {i}": height * (wander + share) for i, share in enumerate(shares)}
    found = crossings(frames, planes)
    assert found.conservation_error_atoms == 0.0
    assert (found.atoms_between >= 0).all()
    assert (found.atoms_between.sum(axis=(1, 2)) <= n_atoms).all()


@many
@given(seed=st.integers(0, 2**32 - 1))
def test_net_crossings_do_not_depend_on_the_frame_interval(seed):
    rng = np.random.default_rng(seed)
    cell = np.diag([5.0, 6.0, 15.0])
    positions = rng.random((40, 3)) @ cell + np.cumsum(rng.normal(0, 1.0, (13, 40, 3)), axis=0)
    frames = ArrayFrames(rng.choice([3, 16], 40), np.arange(13) * 5.0, positions, cell)
    plane = 7.0 + np.cumsum(rng.normal(0, 0.5, 13))
    every_frame = crossings(frames, {"plane": plane}).net_atoms.sum(axis=0)
    every_fourth = crossings(frames, {"plane": plane[::4]}, every=4).net_atoms.sum(axis=0)
    np.testing.assert_array_equal(every_frame, every_fourth)
