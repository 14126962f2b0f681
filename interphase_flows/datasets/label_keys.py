"""Names of labels in extxyz files for other programs, such as ``REF_energy``."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.io import write
from ase.stress import voigt_6_to_full_3x3_stress

from interphase_flows.datasets.frames import IS_IMPORTED, labelled_copy
from interphase_flows.exceptions import InputError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WRITTEN = ("species", "pos", "numbers", "positions", "Lattice", "Properties", "pbc", "cell")
_INFO = ("label_key", "origin", "method", "split", IS_IMPORTED)


@dataclass(frozen=True)
class LabelKeys:
    """Keys of energy (eV), forces (eV/Å) and stress (eV/Å³, tension positive) in an extxyz file.

    Raises
    ------
    InputError
        A key is not a name that extxyz allows, is used twice, or has another meaning in ASE or in the file.
    """

    energy: str = "energy"
    forces: str = "forces"
    stress: str = "stress"

    def __post_init__(self) -> None:
        keys = {"energy": self.energy, "forces": self.forces, "stress": self.stress}
        for label, key in keys.items():
            if not _NAME.fullmatch(key):
                raise InputError(
                    f"key of the {label}: {key!r} is not a name. Hint: use letters, digits and _, such as REF_{label}"
                )
            if key in {*_WRITTEN, *_INFO} or (key != label and key in {*all_properties, *keys}):
                raise InputError(
                    f"key of the {label}: {key!r} has another meaning in extxyz. Hint: choose one such as REF_{label}"
                )
        if len(set(keys.values())) < len(keys):
            raise InputError("two of energy, forces and stress have one key. Hint: choose three keys")


def keyed_extxyz(frames: Sequence[Atoms], keys: LabelKeys) -> bytes:
    """Return labelled frames as extxyz with the given keys; the stress is the tensor, nine numbers row by row."""
    copies = []
    for frame in frames:
        copied = labelled_copy(frame)
        results, copied.calc = frame.calc.results, None
        copied.info[keys.energy] = float(results["energy"])
        copied.arrays[keys.forces] = results["forces"]
        if "stress" in results:
            tensor = voigt_6_to_full_3x3_stress(results["stress"])
            # ASE writes other tensors as JSON, which only ASE reads
            copied.info[keys.stress] = tensor if keys.stress == "stress" else tensor.ravel()
        copies.append(copied)
    text = io.StringIO()
    write(text, copies, format="extxyz")
    return text.getvalue().encode()
