"""Convert labels to ASE atoms, and write and read datasets as extxyz."""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from interphase_flows.exceptions import InputError
from interphase_flows.schemas.dataset import Split
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.origin import Origin


def labelled_atoms(label: LabelDoc, origin: Origin | None = None, split: Split | None = None) -> Atoms:
    """Return the atoms of an accepted label with energy, forces and, if it has one, stress.

    Raises
    ------
    InputError
        The label was rejected.
    """
    if label.status != "accepted" or label.energy_eV is None:
        raise InputError(f"label {label.key} was rejected ({label.reason}) and cannot enter a dataset")
    atoms = Atoms(numbers=label.numbers, positions=label.positions, cell=label.cell, pbc=True)
    stress = {} if label.stress_eV_per_angstrom3 is None else {"stress": np.array(label.stress_eV_per_angstrom3)}
    atoms.calc = SinglePointCalculator(
        atoms, energy=label.energy_eV, forces=np.array(label.forces_eV_per_angstrom), **stress
    )
    atoms.info.update(label_key=label.key, origin=origin or label.origin, method=label.method_name)
    if split is not None:
        atoms.info["split"] = split
    if label.is_imported:
        atoms.info[IS_IMPORTED] = True
    return atoms


IS_IMPORTED = "is_imported"
"""Entry of frames in a dataset whose labels are of other programs."""

KEY_PREFIX = "label-"
"""Prefix of keys in extxyz, whose readers convert digits to numbers and ``12e34...`` to infinity."""


def extxyz_bytes(frames: Sequence[Atoms]) -> bytes:
    """Return frames as extxyz, which ASE and NequIP read."""
    text = io.StringIO()
    write(text, [labelled_copy(frame) for frame in frames], format="extxyz")
    return text.getvalue().encode()


def labelled_copy(frame: Atoms) -> Atoms:
    """Return a copy with the same labels, whose ``label_key`` readers of extxyz keep as text."""
    copied = frame.copy()
    copied.calc = frame.calc
    if "label_key" in frame.info:
        copied.info["label_key"] = KEY_PREFIX + frame.info["label_key"]
    return copied


def read_extxyz(path: Path) -> list[Atoms]:
    """Read all frames of an extxyz file."""
    frames = list(read(path, index=":", format="extxyz"))
    for frame in frames:
        if "label_key" in frame.info:
            frame.info["label_key"] = str(frame.info["label_key"]).removeprefix(KEY_PREFIX)
    return frames


def stored_label_keys(path: Path) -> set[str]:
    """Return the keys of the labels in a stored dataset, without reading its frames."""
    found = re.findall(rf'label_key="?{KEY_PREFIX}([^\s"]+)', path.read_text(encoding="utf-8"))
    return set(found)


def frames_of_split(frames: Iterable[Atoms], split: Split) -> list[Atoms]:
    """Return the frames of one side of the split."""
    return [frame for frame in frames if frame.info["split"] == split]
