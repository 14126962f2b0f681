"""Group frames that belong to one trajectory, or to copies of one structure, so that a split does not divide them."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.schemas.origin import IMPORTED, Origin

SAME_TRAJECTORY_ANGSTROM = 1.5
"""Largest root-mean-square displacement between neighbouring frames of one trajectory. Frames of dynamics 1 ps apart are
closer unless they melt; two random packings of the same atoms are over 3 Å apart."""
MAX_COMPARED_ATOMS = 32
"""Of a frame, for the displacement; evenly chosen."""


def group_frames(frames: Sequence[Atoms], name: str) -> list[Origin]:
    """Return the origin of every frame, ``imported/NAME-NUMBER``.

    Frames with the same elements in the same order belong together if a chain of frames connects them, each within
    `SAME_TRAJECTORY_ANGSTROM` (rms over atoms, nearest images) of the next; the order of frames does not matter.
    """
    members: dict[bytes, list[int]] = {}
    for index, frame in enumerate(frames):
        members.setdefault(np.asarray(frame.numbers, dtype=np.int16).tobytes(), []).append(index)
    group_of = np.empty(len(frames), dtype=int)
    n_groups = 0
    for indices in members.values():
        labels = _connected([frames[index] for index in indices])
        group_of[indices] = n_groups + labels
        n_groups += labels.max() + 1
    # numbered by first appearance
    numbers: dict[int, int] = {}
    return [
        Origin.of(IMPORTED, f"{name}-{numbers.setdefault(int(group), len(numbers))}" if n_groups > 1 else name)
        for group in group_of
    ]


def _connected(frames: Sequence[Atoms]) -> NDArray[np.int64]:
    """Return the number of the group of each frame, by a breadth-first search."""
    n, n_atoms = len(frames), len(frames[0])
    group = np.full(n, -1)
    if n == 1 or n_atoms == 0:
        return np.zeros(n, dtype=int)
    compared = np.unique(np.linspace(0, n_atoms - 1, min(n_atoms, MAX_COMPARED_ATOMS)).astype(int))
    # numbers that are not finite, and molecules without a cell, are for the gates
    cells = np.nan_to_num(np.array([frame.cell.array for frame in frames]), posinf=0.0, neginf=0.0)
    cells[np.abs(np.linalg.det(cells)) < 1e-3] = 1e4 * np.eye(3)
    positions = np.nan_to_num([frame.positions[compared] for frame in frames], posinf=0.0, neginf=0.0)
    scaled = (positions @ np.linalg.inv(cells)).astype(np.float32)
    cells = cells.astype(np.float32)
    parts = (slice(None, max(1, len(compared) // 8)), slice(None))
    n_groups = 0
    rest = np.arange(n)
    while len(rest):
        to_visit, rest = [int(rest[0])], rest[1:]
        group[to_visit] = n_groups
        while to_visit and len(rest):
            frame = to_visit.pop()
            near = rest
            for atoms in parts:  # most frames are too far already by the first atoms
                square = _square_displacements(scaled[near][:, atoms], scaled[frame, atoms], cells[frame])
                near = near[square < len(compared) * SAME_TRAJECTORY_ANGSTROM**2]
            group[near] = n_groups
            to_visit += near.tolist()
            rest = rest[group[rest] < 0]
        n_groups += 1
    return group


def _square_displacements(
    scaled: NDArray[np.float32], reference: NDArray[np.float32], cell: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the sum over atoms of squared displacements (Å²) to the nearest image, of frames (n, n_atoms, 3)."""
    shift = scaled - reference
    shift -= np.rint(shift)
    result: NDArray[np.float32] = ((shift @ cell) ** 2).sum(axis=(1, 2))
    return result
