"""Group frames that belong to one trajectory, or to copies of one structure, so that a split does not divide them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.datasets.readers.records import ForeignLabel
from interphase_flows.schemas.origin import IMPORTED, Origin

SAME_TRAJECTORY_ANGSTROM = 1.5
"""Largest root-mean-square displacement between neighbouring frames of one trajectory. Frames of dynamics 1 ps apart are
closer unless they melt; two random packings of the same atoms are over 3 Å apart."""
MAX_COMPARED_ATOMS = 32
"""Of a frame, for the displacement; evenly chosen."""
CONTINUED_ANGSTROM = 0.05
"""The same between the end of a run and the start of the run that continues it."""


def with_origins(labels: Sequence[ForeignLabel], names: Sequence[str]) -> list[ForeignLabel]:
    """Return labels with an origin each; ``names`` are those of their files, for new origins.

    Frames without an origin are grouped by `group_frames`, independent of their file. Two VASP runs have one origin if
    one starts or ends where the other one does, such as a run that was continued in another folder.
    """
    origins = _joined_runs(labels)
    if None in origins:
        origins = list(group_frames([label.atoms for label in labels], names, origins))
    return [replace(label, origin=origin) for label, origin in zip(labels, origins, strict=True)]


def group_frames(
    frames: Sequence[Atoms], names: Sequence[str], stated: Sequence[Origin | None] | None = None
) -> list[Origin]:
    """Return the origin of every frame: a stated one, or ``imported/NAME-NUMBER``.

    Frames with the same elements in the same order belong together if a chain of frames connects them, each within
    `SAME_TRAJECTORY_ANGSTROM` (rms over atoms, nearest images) of the next; the order of frames does not matter. A frame
    without a stated origin has the first one in its group, or else the name of the file of the first frame.
    """
    groups = _groups(frames, SAME_TRAJECTORY_ANGSTROM).tolist()
    stated = stated or [None] * len(frames)
    origin_of: dict[int, Origin] = {}
    for group, origin in zip(groups, stated, strict=True):
        if origin is not None:
            origin_of.setdefault(group, origin)
    first_name: dict[int, str] = {}
    for group, name in zip(groups, names, strict=True):
        if group not in origin_of:
            first_name.setdefault(group, name)
    # numbered by first appearance
    taken = {origin.name for origin in stated if origin is not None}
    counts, n_named = Counter(first_name.values()), Counter[str]()
    for group, name in first_name.items():
        number = n_named[name]
        n_named[name] += 1
        own = name if counts[name] == 1 and name not in taken else f"{name}-{number}"
        origin_of[group] = Origin.of(IMPORTED, own)
    return [origin or origin_of[group] for group, origin in zip(groups, stated, strict=True)]


def _joined_runs(labels: Sequence[ForeignLabel]) -> list[Origin | None]:
    """Return the origins of labels, the first one for runs that continue each other."""
    ends: list[tuple[Origin, Atoms]] = []
    for label, following in zip(labels, [*labels[1:], None], strict=True):
        if label.origin is None or label.run_start is None:
            continue
        if not ends or ends[-1][0] != label.origin:
            ends.append((label.origin, label.run_start))
        if following is None or following.origin != label.origin:
            ends.append((label.origin, label.atoms))
    groups = _groups([atoms for _, atoms in ends], CONTINUED_ANGSTROM).tolist()
    joined: dict[Origin, Origin] = {}

    def first(origin: Origin) -> Origin:
        while joined.get(origin, origin) != origin:
            origin = joined[origin]
        return origin

    first_of_group: dict[int, Origin] = {}
    for group, (origin, _) in zip(groups, ends, strict=True):
        joined[first(origin)] = first(first_of_group.setdefault(group, origin))
    return [None if label.origin is None else first(label.origin) for label in labels]


def _groups(frames: Sequence[Atoms], distance_angstrom: float) -> NDArray[np.int64]:
    """Return the number of the group of each frame, (n_frames,)."""
    members: dict[bytes, list[int]] = {}
    for index, frame in enumerate(frames):
        members.setdefault(np.asarray(frame.numbers, dtype=np.int16).tobytes(), []).append(index)
    group_of = np.empty(len(frames), dtype=int)
    n_groups = 0
    for indices in members.values():
        labels = _connected([frames[index] for index in indices], distance_angstrom)
        group_of[indices] = n_groups + labels
        n_groups += labels.max() + 1
    return group_of


def _connected(frames: Sequence[Atoms], distance_angstrom: float) -> NDArray[np.int64]:
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
                near = near[square < len(compared) * distance_angstrom**2]
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
