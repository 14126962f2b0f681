"""Unwrapping restores wrapped positions in any cell."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.io.unwrapping import LARGEST_STEP, Unwrapper
from interphase_flows.exceptions import AnalysisError
from trajectory_files import WRITERS, Written, planted

N_FRAMES, N_ATOMS = 40, 5
cells = st.lists(st.floats(-12.0, 12.0), min_size=9, max_size=9).map(lambda values: np.reshape(values, (3, 3)))
seeds = st.integers(0, 2**32 - 1)


def unwrapper(positions: np.ndarray, all_cells: np.ndarray) -> Unwrapper:
    return Unwrapper(Path("t"), len(positions), np.ones(3, bool), lambda k: (positions[k], all_cells[k]))


@given(cell=cells, seed=seeds, breathing=st.booleans(), order=st.permutations(range(N_FRAMES)))
@settings(max_examples=60, deadline=None)
def test_unwrapping_restores_wrapped_positions(cell, seed, breathing, order):
    """Any lattice, right- or left-handed, constant or not; frames read in any order."""
    assume(abs(np.linalg.det(cell)) > 1.0)
    assume(face_distances(cell).min() > 0.1)
    rng = np.random.default_rng(seed)
    steps = rng.uniform(-LARGEST_STEP + 0.01, LARGEST_STEP - 0.01, (N_FRAMES, N_ATOMS, 3))
    steps[0] = rng.random((N_ATOMS, 3))
    fractions = np.cumsum(steps, axis=0)
    strains = 1.0 + breathing * rng.uniform(-0.02, 0.02, (N_FRAMES, 1, 1))
    frames = unwrapper(fractions % 1.0 @ (strains * cell), strains * cell)
    for frame in order:
        np.testing.assert_allclose(frames.positions(frame), fractions[frame] @ (strains[frame] * cell), atol=1e-9)


@given(cell=cells, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_unwrapped_positions_are_unchanged_to_the_last_bit(cell, seed):
    assume(abs(np.linalg.det(cell)) > 1.0)
    rng = np.random.default_rng(seed)
    steps = rng.uniform(-0.4, 0.4, (N_FRAMES, N_ATOMS, 3))
    positions = 5.0 + np.cumsum(steps, axis=0) @ cell
    frames = unwrapper(positions, np.broadcast_to(cell, (N_FRAMES, 3, 3)))
    for frame in range(N_FRAMES):
        np.testing.assert_array_equal(frames.positions(frame), positions[frame])


@given(cell=cells, atom=st.integers(0, N_ATOMS - 1), axis=st.integers(0, 2), step=st.floats(0.46, 0.54))
@settings(max_examples=30, deadline=None)
def test_step_of_about_half_a_cell_raises_with_atom_and_frames(cell, atom, axis, step):
    assume(abs(np.linalg.det(cell)) > 1.0)
    fractions = np.full((3, N_ATOMS, 3), 0.3)
    fractions[2, atom, axis] += step
    frames = unwrapper(fractions % 1.0 @ cell, np.broadcast_to(cell, (3, 3, 3)))
    with pytest.raises(AnalysisError, match=rf"atom {atom} moves .* along {'abc'[axis]} between frames 1 and 2"):
        frames.positions(2)


def peak_bytes(written: Written) -> int:
    """Return the peak memory while every frame is read once."""
    tracemalloc.start()
    try:
        with open_trajectory(written.path, **written.arguments) as frames:
            for frame in range(frames.n_frames):
                frames.positions(frame)
                frames.cell(frame)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["LAMMPS x", "XDATCAR", "extxyz wrapped", "traj wrapped", "H5MD wrapped", "own"])
def test_memory_does_not_grow_with_the_number_of_frames(name, tmp_path):
    """The index takes less than a tenth of the memory of the positions."""
    # the format of this package reads blocks of 2 MB; use more than one of them
    n_atoms, few, many = (4000, 90, 250) if name == "own" else (120, 100, 350)
    peaks = []
    for n_frames in (few, few, many):  # the first one imports modules
        folder = tmp_path / f"{n_frames}-{len(peaks)}"
        folder.mkdir()
        peaks.append(peak_bytes(WRITERS[name](folder, planted(n_frames, n_atoms))))
    bytes_of_positions = (many - few) * n_atoms * 3 * 8
    assert peaks[2] - peaks[1] < 0.1 * bytes_of_positions
