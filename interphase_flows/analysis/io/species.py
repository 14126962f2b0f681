"""Elements of atoms, from chemical symbols or from the atom types of a simulation code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import IntArray
from interphase_flows.exceptions import AnalysisError


def number_of(symbol: str, path: Path) -> int:
    """Return the atomic number of a symbol; a suffix, as in Li_sv or P/4f2a, is ignored.

    Raises AnalysisError if it is not a chemical element.
    """
    element = symbol.strip().split("_")[0].split("/")[0]
    if atomic_numbers.get(element, 0) < 1:
        dummy = " (a dummy atom: remove it)" if element == "X" else ""
        raise AnalysisError(
            f"{path}: {symbol[:20]!r} is not a chemical element{dummy}. Hint: write symbols such as Li, P, S."
        )
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
        example = ",".join(f"{kind}=Li" if k == 0 else f"{kind}=..." for k, kind in enumerate(unknown))
        hint = f"give the element of each (--elements {example})"
        if len(distinct) < max(distinct) < len(chemical_symbols) and min(distinct) >= 1:
            by_number = ",".join(f"{kind}={chemical_symbols[kind]}" for kind in distinct)
            hint += f"; if they are atomic numbers: --elements {by_number}"
        raise AnalysisError(
            f"{path}: the atom types are {_listed(distinct.tolist())}; the elements of types {_listed(unknown)} are not "
            f"known. Hint: {hint}."
        )
    return np.array([number_of(elements[int(kind)], path) for kind in distinct], dtype=np.int64)[index]


def require_unique_ids(ids: IntArray, path: Path, frame: int) -> None:
    """Raise AnalysisError if two atoms have the same id; `ids` are sorted."""
    repeated = np.flatnonzero(np.diff(ids) == 0)
    if len(repeated):
        raise AnalysisError(
            f"{path}: frame {frame}: {len(repeated)} ids occur more than once, the first is {ids[repeated[0]]}: atoms "
            "cannot be identified from frame to frame. Hint: number all atoms of the merged files, from 1."
        )


def elements_of_types(text: str) -> dict[int, str]:
    """Parse elements of atom types: ``Li,P,S`` for the types 1, 2, 3, or ``3=Li,16=S`` for any numbers.

    Raises AnalysisError if a part is empty or a number occurs twice.
    """
    elements: dict[int, str] = {}
    for position, part in enumerate(text.split(","), start=1):
        number, equals, symbol = (each.strip() for each in part.rpartition("="))
        kind = number if equals else str(position)
        if not symbol or not kind.isdecimal() or len(kind) > 9 or int(kind) in elements:
            raise AnalysisError(
                f"elements {text[:60]!r}: {part.strip()[:20]!r} is not an element. Hint: write Li,P,S for the types "
                "1, 2, 3, or 3=Li,16=S."
            )
        elements[int(kind)] = symbol
    return elements


def _listed(kinds: list[int]) -> str:
    return ", ".join(map(str, kinds[:10])) + (f" and {len(kinds) - 10} more" if len(kinds) > 10 else "")


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
