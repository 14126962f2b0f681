"""Which element an atom is: from symbols, or from the numbers that a code gives its kinds of atoms."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import IntArray
from interphase_flows.exceptions import AnalysisError


def number_of(symbol: str, path: Path) -> int:
    """Return the atomic number of a symbol; what follows it, as in Li_sv or P/4f2a, is dropped.

    Raises
    ------
    AnalysisError
        It is no element.
    """
    element = symbol.split("_")[0].split("/")[0]
    if atomic_numbers.get(element, 0) < 1:
        raise AnalysisError(f"{path}: {symbol!r} is no chemical element; write symbols such as Li, P, S")
    return int(atomic_numbers[element])


def numbers_of_symbols(symbols: NDArray[np.str_], path: Path) -> IntArray:
    """Return atomic numbers of symbols, (n_atoms,)."""
    distinct, kind = np.unique(symbols, return_inverse=True)
    return np.array([number_of(str(symbol), path) for symbol in distinct], dtype=np.int64)[kind]


def numbers_of_kinds(kinds: IntArray, elements: Mapping[int, str] | None, path: Path) -> IntArray:
    """Return atomic numbers of the kinds (types, species) that a code counts, (n_atoms,).

    Raises
    ------
    AnalysisError
        A kind has no element.
    """
    distinct, index = np.unique(kinds, return_inverse=True)
    unknown = [int(kind) for kind in distinct if kind not in (elements or {})]
    if elements is None or unknown:
        example = ", ".join(f"{kind}: 'Li'" if k == 0 else f"{kind}: ..." for k, kind in enumerate(unknown))
        raise AnalysisError(
            f"{path} tells atoms apart by {_listed(distinct)} and does not say which element "
            f"{_listed(unknown)} is; pass elements={{{example}}}"
        )
    return np.array([number_of(elements[int(kind)], path) for kind in distinct], dtype=np.int64)[index]


def same_atoms(
    found: NDArray[np.integer], first: NDArray[np.integer], *, path: Path, frame: int, mend: str
) -> None:
    """Compare a frame's kinds of atoms with those of the first frame, in order.

    Raises
    ------
    AnalysisError
        Their number or their order is another.
    """
    if len(found) != len(first):
        raise AnalysisError(
            f"{path}: frame {frame} holds {len(found)} atoms and frame 0 {len(first)}; atoms may not come or "
            "go: cut the trajectory there"
        )
    if not np.array_equal(found, first):
        atom = int(np.flatnonzero(found != first)[0])
        raise AnalysisError(
            f"{path}: atom {atom} of frame {frame} is not of the kind it has in frame 0; {mend}"
        )


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
