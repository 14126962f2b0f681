"""Pack an ordered set of structures into one NumPy archive, without rounding (extxyz would round)."""

import io
from collections.abc import Sequence

import numpy as np
from ase import Atoms

from interphase_flows.analysis.io.npz import open_npz

NO_SIDE = -1


def pack_structures(frames: Sequence[Atoms]) -> bytes:
    """Return structures as a NumPy archive; equal structures give equal bytes.

    Stores species, positions (Å, float64), cell and ``side`` (0 electrode, 1 electrolyte). All structures are
    taken as periodic.
    """
    buffer = io.BytesIO()
    sides = [f.arrays.get("side", np.full(len(f), NO_SIDE)) for f in frames]
    np.savez(
        buffer,
        n_atoms=np.array([len(f) for f in frames], dtype=np.int64),
        numbers=np.concatenate([f.numbers for f in frames] or [np.empty(0)]).astype(np.int16),
        positions=np.concatenate([f.positions for f in frames] or [np.empty((0, 3))]).astype(np.float64),
        side=np.concatenate([*sides, np.empty(0)]).astype(np.int8),
        cells=np.array([np.asarray(f.cell) for f in frames], dtype=np.float64).reshape(-1, 3, 3),
    )
    return buffer.getvalue()


def unpack_structures(data: bytes) -> list[Atoms]:
    """Read the structures written by :func:`pack_structures`."""
    with open_npz(data) as archive:
        arrays = {name: archive[name] for name in archive.files}
    frames, start = [], 0
    for n, cell in zip(arrays["n_atoms"], arrays["cells"], strict=True):
        part = slice(start, start + int(n))
        atoms = Atoms(numbers=arrays["numbers"][part], positions=arrays["positions"][part], cell=cell, pbc=True)
        side = arrays["side"][part]
        if (side != NO_SIDE).all():
            atoms.set_array("side", side.astype(int))
        frames.append(atoms)
        start += int(n)
    return frames
