"""Elements of atoms, from chemical symbols or from the atom types of a simulation code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import IntArray
from interphase_flows.exceptions import AnalysisError


def number_of(symbol: str, path: Path) -> int:
    """Return the atomic number of a symbol; a suffix, as in Li_sv or P/4f2a, is ignored.

    Raises AnalysisError if it is not a chemical element.
    """
    element = symbol.split("_")[0].split("/")[0]
    if atomic_numbers.get(element, 0) < 1:
        raise AnalysisError(f"{path}: {symbol!r} is not a chemical element. Hint: write symbols such as Li, P, S.")
    return int(atomic_numbers[element])


def numbers_of_symbols(symbols: NDArray[np.str_], path: Path) -> IntArray:
    """Return atomic numbers of symbols, (n_atoms,)."""
    distinct, index = np.unique(symbols, return_inverse=True)
    return np.array([number_of(str(symbol), path) for symbol in distinct], dtype=np.int64)[index]


def numbers_of_types(types: IntArray, elements: Mapping[int, str] | None, path: Path) -> IntArray:
    """Return atomic numbers of atom types, (n_atoms,); raise AnalysisError if a type has no element."""
    distinct, index = np.unique(types, return_inverse=True)
    unknown = [int(kind) for kind in distinct if kind not in (elements or {})]
    if elements is None or unknown:
        example = ", ".join(f"{kind}: 'Li'" if k == 0 else f"{kind}: ..." for k, kind in enumerate(unknown))
        raise AnalysisError(
            f"{path}: the atom types are {', '.join(map(str, distinct))}; the elements of types "
            f"{', '.join(map(str, unknown))} are not known. "
            f"Hint: pass elements={{{example}}} (--elements Li,...)."
        )
    return np.array([number_of(elements[int(kind)], path) for kind in distinct], dtype=np.int64)[index]


def check_same_atoms(
    found: NDArray[np.integer], first: NDArray[np.integer], *, path: Path, frame: int, hint: str
) -> None:
    """Raise AnalysisError if the elements or types of a frame's atoms differ from those of the first frame."""
    if len(found) != len(first):
        raise AnalysisError(
            f"{path}: frame {frame} has {len(found)} atoms, frame 0 has {len(first)}; the number of atoms must be "
            "constant. Hint: split the trajectory there."
        )
    if not np.array_equal(found, first):
        atom = int(np.flatnonzero(found != first)[0])
        raise AnalysisError(f"{path}: frame {frame}: atom {atom} is of another element than in frame 0. Hint: {hint}.")
