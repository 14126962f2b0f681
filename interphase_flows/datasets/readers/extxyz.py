"""Labels in files that ASE reads: extxyz with any names of labels, ASE's databases and trajectories, OUTCAR."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.io import iread
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from interphase_flows.datasets.label_conventions import LabelConventions, UNITS_eV_PER_ANGSTROM3
from interphase_flows.datasets.readers.file_formats import FileFormat, file_format
from interphase_flows.datasets.readers.frame_names import FrameNames
from interphase_flows.datasets.readers.records import UNREADABLE, ForeignLabel
from interphase_flows.datasets.readers.xyz_frames import UnreadableFrame, read_xyz_frames
from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.schemas.origin import IMPORTED, Origin

PREFIXES = ("ref", "dft", "vasp", "gpaw", "qm", "true", "target")
"""Parts of names such as ``REF_energy`` and ``energy_dft`` for labels of a reference method."""
ASE_FORMATS: dict[FileFormat, str] = {"vasprun": "vasp-xml", "outcar": "vasp-out"}
"""Names of formats in ASE, which recognises these files by their names only."""
ORIGIN_NAMES = ("origin", "trajectory", "config_type")
"""Entries of ``info`` that say which frames belong together, the first one that a frame has."""


def read_with_ase(path: Path, keys: LabelConventions) -> Iterator[ForeignLabel]:
    """Yield the labelled frames of a file. One without energy, forces or a stated name has an incomplete label.

    A frame of extxyz that cannot be read has no atoms, and the reason among its details.

    Raises
    ------
    InputError
        The file cannot be read; several names may be the energy, forces or stress, in one frame or in different frames;
        or, after the last frame, no frame has energy, forces or a stated name.
    """
    index, names = -1, FrameNames(path, keys)
    unreadable: UnreadableFrame | None = None
    n_read = 0
    try:
        for index, atoms in enumerate(frames_of_file(path)):
            where = f"{path}, frame {index}"
            if isinstance(atoms, UnreadableFrame):
                unreadable = unreadable or atoms
                yield ForeignLabel(Atoms(), _unreadable(atoms), where, Origin.of(IMPORTED, UNREADABLE))
                continue
            n_read += 1
            yield ForeignLabel(_bare(atoms), _raw(atoms, keys, where, names), where, _origin(atoms, keys, where, names))
        if unreadable is not None and not n_read:
            raise InputError(
                f"{path}: no frame can be read, the first one because {unreadable.reason}. Hint: write it as extxyz with "
                "ase.io.write"
            )
        if n_read:
            names.check_complete()
    except InputError:
        raise
    except Exception as error:  # parsers raise any exception
        raise InputError(
            f"{path}: cannot be read after {index + 1} frames ({type(error).__name__}: {str(error)[:200]}). Hint: write "
            "it as extxyz with ase.io.write"
        ) from error


def frames_of_file(path: Path) -> Iterator[Atoms | UnreadableFrame]:
    """Yield the frames of a file that ASE reads; of extxyz also those that cannot be read."""
    known = file_format(path)
    if known == "extxyz":
        yield from read_xyz_frames(path)
    elif path.suffix == ".db":
        with connect(path) as database:
            for row in database.select():
                atoms = row.toatoms()
                atoms.info.update(row.key_value_pairs)  # which ase.io leaves out
                yield atoms
    else:
        yield from iread(str(path), index=":", format=ASE_FORMATS.get(known), do_not_split_by_at_sign=True)


def _unreadable(frame: UnreadableFrame) -> RawLabel:
    return RawLabel(None, np.zeros((0, 3)), None, details={UNREADABLE: frame.reason, "text_sha256": frame.sha256})


def _bare(atoms: Atoms) -> Atoms:
    """Return the structure alone."""
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _raw(atoms: Atoms, keys: LabelConventions, where: str, names: FrameNames) -> RawLabel:
    results = {} if atoms.calc is None else atoms.calc.results
    names.add_known([*results, *atoms.info, *atoms.arrays])
    details: dict[str, float | int | str | bool] = {}
    # the free energy is the one whose derivatives are the forces
    standard = "free_energy" if "free_energy" in results else "energy"
    name, energy = _found("energy", keys.energy, results, atoms.info, where, standard)
    if name is not None:
        details["energy_name"] = name
        names.add("energy", name, where)
    name, forces = _found("forces", keys.forces, results, atoms.arrays, where)
    names.add("forces", name, where)
    return RawLabel(
        energy_eV=_number(energy),
        forces_eV_per_angstrom=_numbers(forces),
        stress_eV_per_angstrom3=_stress(atoms, keys, results, where, names),
        details=details,
    )


def _number(value: Any) -> float | None:
    """Return a single number; None if it is missing or not a number."""
    try:
        array = np.asarray(value)
        return None if value is None or array.dtype == bool else float(array.astype(float).reshape(()))
    except (TypeError, ValueError):
        return None


def _stress(
    atoms: Atoms, keys: LabelConventions, results: Mapping[str, Any], where: str, names: FrameNames
) -> NDArray[np.float64] | None:
    """Return the stress (6,), eV/Å³, tension positive, from a stress or a virial; None if there is neither."""
    virial = None
    if keys.virial is None:
        name, stress = _found("stress", keys.stress, results, atoms.info, where)
        names.add("stress", name, where)
        if stress is not None:
            sign = 1.0 if keys.stress_is_positive_under == "tension" else -1.0
            tensor = _voigt(stress)
            return None if tensor is None else sign * UNITS_eV_PER_ANGSTROM3[keys.stress_unit] * tensor
    if keys.stress is None:
        name, virial = _found("virial", keys.virial, {}, atoms.info, where)
        names.add("virial", name, where)
    tensor = _voigt(virial)
    return None if tensor is None or not atoms.cell.volume else -tensor / float(atoms.cell.volume)


def _numbers(values: Any) -> NDArray[np.float64]:
    """Return an array of numbers; an empty one, (0, 3), if there are none, which the gates reject."""
    try:
        return np.zeros((0, 3)) if values is None else np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return np.zeros((0, 3))


def _voigt(values: Any) -> NDArray[np.float64] | None:
    """Return a tensor in Voigt order, (6,); None if it has not six or nine numbers."""
    array = _numbers(values)
    if array.shape == (6,):
        return array
    if array.size != 9:
        return None
    return full_3x3_to_voigt_6_stress(array.reshape(3, 3))


def _found(
    label: str,
    stated: str | None,
    results: Mapping[str, Any],
    others: Mapping[str, Any],
    where: str,
    standard: str | None = None,
) -> tuple[str | None, Any]:
    """Return name and value of a label: the stated name, or the only one that may be meant; None without a value."""
    standard = standard or label
    if stated is not None:
        for place in (others, results):
            if stated in place:
                return stated, place[stated]
        return None, None
    found = {name: value for name, value in others.items() if _may_be(label, str(name))}
    if standard in results:
        found = {standard: results[standard]} | found
    values = list(found.values())
    if len(values) > 1 and not all(_equal(values[0], value) for value in values[1:]):
        raise InputError(
            f"{where}: {', '.join(found)} differ, and each may be the {label}. Hint: --{label}-key NAME chooses one"
        )
    return next(iter(found.items()), (None, None))


def _may_be(label: str, name: str) -> bool:
    """Return whether a name means a label: ``forces``, ``force``, ``REF_forces``, ``forces_dft``, ..."""
    parts = set(name.lower().replace("-", "_").split("_"))
    ends = {label, label.rstrip("s"), f"{label}s"}
    if label == "energy":
        parts -= {"total", "free", "ev"}
    return len(parts & ends) == 1 and parts - ends <= set(PREFIXES)


def _equal(first: Any, second: Any) -> bool:
    first, second = np.asarray(first), np.asarray(second)
    return first.size == second.size and bool(np.array_equal(first.ravel(), second.ravel()))


def _origin(atoms: Atoms, keys: LabelConventions, where: str, names: FrameNames) -> Origin | None:
    info = atoms.info
    possible = (keys.origin,) if keys.origin is not None else ORIGIN_NAMES
    # OVITO writes the corner of the cell as an array called Origin
    name = next((name for name in possible if name in info and not isinstance(info[name], np.ndarray)), None)
    if keys.origin is not None:
        names.add("origin", name, where)
    given = None if name is None else _text(info[name])
    if not given:
        return None
    # the origin that this package has written stays; in another file, a slash names no family
    is_own = keys.origin is None and "label_key" in info
    return Origin(given) if is_own and "/" in given else Origin.of(IMPORTED, given)


def _text(value: Any) -> str:
    """Return a name; of JSON one that does not depend on the order of its keys."""
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict | list) else str(value).strip()
