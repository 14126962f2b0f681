"""Labelled frames between documents, ASE atoms and extxyz files."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from interphase_flows.documents.records import LabelDoc, Split
from interphase_flows.exceptions import InputError


def labelled_atoms(label: LabelDoc, origin: str | None = None, split: Split | None = None) -> Atoms:
    """Return the atoms of an accepted label with its energy, forces and stress attached.

    Raises
    ------
    InputError
        The label was rejected.
    """
    if label.status != "accepted" or label.energy_ev is None:
        raise InputError(f"label {label.key} was rejected ({label.reason}) and cannot enter a data set")
    atoms = Atoms(numbers=label.numbers, positions=label.positions, cell=label.cell, pbc=True)
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=label.energy_ev,
        forces=np.array(label.forces_ev_per_angstrom),
        stress=np.array(label.stress_ev_per_angstrom3),
    )
    atoms.info.update(label_key=label.key, origin=origin or label.origin, method=label.method_name)
    if split is not None:
        atoms.info["split"] = split
    return atoms


def extxyz_bytes(frames: Sequence[Atoms]) -> bytes:
    """Return frames as extxyz, which ASE and NequIP read."""
    text = io.StringIO()
    write(text, list(frames), format="extxyz")
    return text.getvalue().encode()


def read_extxyz(path: Path) -> list[Atoms]:
    """Read every frame of an extxyz file."""
    return list(read(path, index=":", format="extxyz"))


def frames_of_split(frames: Iterable[Atoms], split: Split) -> list[Atoms]:
    """Return the frames on one side of the split."""
    return [frame for frame in frames if frame.info["split"] == split]
