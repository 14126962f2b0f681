"""Settings of space groups (axes, cell choice, origin) by the symbols of a CIF, from spglib's table of Hall symbols.

Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024).
"""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import spglib

from interphase_flows.analysis.array_types import FloatArray, IntArray

N_HALL_NUMBERS = 530
LARGEST_METRIC_MISMATCH = 5e-3
"""Largest relative change of the metric tensor by an operation of a setting that fits the cell."""
OLD_NAMES = {"abm2": "aem2", "aba2": "aea2", "cmca": "cmce", "cmma": "cmme", "ccca": "ccce"}
CUBIC_WITH_INVERSION = (*range(200, 207), *range(221, 231))
"""Groups that older files write without the bar: F m 3 m."""
AXES_SUFFIXES = {"r": "R", "rs": "R", "h": "H", "hr": "R"}
ORIGIN_SUFFIXES = ("s", "z")
"""ICSD's marks of an origin, which files use in both senses."""


@dataclass(frozen=True)
class Setting:
    """One of the 530 settings."""

    hall_number: int
    number: int
    choice: str
    hall_symbol: str
    names: frozenset[str]

    @property
    def description(self) -> str:
        """Number of the space group and choice of the setting."""
        return f"{self.number}:{self.choice}" if self.choice else str(self.number)


@cache
def settings() -> tuple[Setting, ...]:
    """Return all settings, those of each space group in spglib's order, the standard one first."""
    found: list[Setting] = []
    with warnings.catch_warnings():
        # spglib versions report failures differently: None now, exceptions later
        warnings.simplefilter("ignore", DeprecationWarning)
        groups: list[Any] = [spglib.get_spacegroup_type(n) for n in range(1, N_HALL_NUMBERS + 1)]
    for hall_number, group in enumerate(groups, start=1):
        name = group.international.split("=")[-1].strip()
        short = " ".join(part for part in name.split() if part != "1") if len(name.split()) > 2 else name
        names = {_normalised(name), _normalised(short), _normalised(group.international_full)}
        if all(setting.number != group.number or setting.choice in {"1", "H"} for setting in found):
            names.add(_normalised(group.international_short))
        if group.number in CUBIC_WITH_INVERSION:
            names |= {each.replace("-", "") for each in names}
        found.append(Setting(hall_number, group.number, group.choice, _normalised(group.hall_symbol), frozenset(names)))
    return tuple(found)


def settings_of(symbol: str | None, number: int | None, hall_symbol: str | None) -> list[Setting]:
    """Return the settings that the symbols of a file allow, none if they are unknown or contradict each other."""
    if hall_symbol and (by_hall := [each for each in settings() if each.hall_symbol == _normalised(hall_symbol)]):
        return [each for each in by_hall if number in (None, each.number)]
    of_number = [each for each in settings() if number in (None, each.number)]
    if not symbol:
        return [] if number is None else of_number
    name, choice = _split_choice(symbol)
    named = [each for each in settings() if name in each.names]
    if not named:
        return [] if number is None else _with_choice(of_number, choice)
    return _with_choice([each for each in named if number in (None, each.number)], choice)


def _with_choice(candidates: Iterable[Setting], choice: str) -> list[Setting]:
    candidates = list(candidates)
    return [each for each in candidates if each.choice == choice] if choice else candidates


def _split_choice(symbol: str) -> tuple[str, str]:
    """Return the normalised symbol and the choice after it: ``:2``, ``:R``, or ICSD's suffixes."""
    name, colon, choice = symbol.partition(":")
    if colon:
        choice = choice.strip()
        return _normalised(name), AXES_SUFFIXES.get(choice.lower(), choice)
    *first, last = symbol.split() or [""]
    if first and last.lower() in AXES_SUFFIXES:
        return _normalised(" ".join(first)), AXES_SUFFIXES[last.lower()]
    if first and last.lower() in ORIGIN_SUFFIXES:
        return _normalised(" ".join(first)), ""
    return _normalised(symbol), ""


def _normalised(symbol: str) -> str:
    name = re.sub(r"[\s_()]", "", symbol).lower()
    return OLD_NAMES.get(name, name)


@cache
def operations(hall_number: int) -> tuple[IntArray, FloatArray]:
    """Return rotations, (n, 3, 3), and translations, (n, 3), of a setting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found: Any = spglib.get_symmetry_from_database(hall_number)
    return np.asarray(found["rotations"], dtype=np.int64), np.asarray(found["translations"], dtype=np.float64)


def fits_cell(rotations: IntArray, cell: FloatArray) -> bool:
    """Return whether all rotations leave a cell unchanged, whose rows are lattice vectors."""
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    rotated = np.einsum("nki,kl,nlj->nij", rotations, metric, rotations)
    return bool((np.abs(rotated - metric) <= LARGEST_METRIC_MISMATCH * np.outer(lengths, lengths)).all())
