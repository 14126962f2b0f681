"""Coordination numbers of first shells by slice: cations around anions, ligands around network formers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, mask_of
from interphase_flows.analysis.geometry.neighbours import PeriodicTree
from interphase_flows.analysis.speciation.element_roles import Roles
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class Shell:
    """Coordination shell: a central element and its neighbours."""

    centre: str
    cutoffs_angstrom: Mapping[str, float]
    """By element of the neighbours, Å."""

    @property
    def name(self) -> str:
        """Name, such as ``Li around S``."""
        return f"{'/'.join(self.cutoffs_angstrom)} around {self.centre}"


def measured_shells(frames: FrameSource, roles: Roles, cutoff_angstrom: Callable[[str, str], float]) -> list[Shell]:
    """Return the shells of mobile cations around every other element, and of ligands around network formers.

    A shell ends at the first minimum of g(r) of these frames, as bonds do; see `bond_cutoff_angstrom`. Raises
    AnalysisError if the trajectory has no pair of elements to count.
    """
    cations, formers, ligands = (
        [symbol for symbol in sorted(role) if mask_of(frames.numbers, {symbol}).any()]
        for role in (roles.mobile_cations, roles.network_formers, roles.anion_formers)
    )
    wanted = [
        *((centre, cations) for centre in [*ligands, *formers]),
        *((centre, ligands) for centre in formers),
    ]
    shells = [
        Shell(centre, {each: cutoff_angstrom(centre, each) for each in neighbours})
        for centre, neighbours in wanted
        if neighbours
    ]
    if not shells:
        raise AnalysisError(
            f"the trajectory holds {', '.join(elements_of(frames))}: no anion with cations or ligands to count"
        )
    return shells


def count_shells(
    shells: Sequence[Shell],
    numbers: NDArray[np.integer],
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    slice_of: IntArray,
    n_slices: int,
) -> tuple[FloatArray, FloatArray]:
    """Return neighbours and centres in each slice, (n_shells, n_slices) each; one search for equal neighbours."""
    rows_of: dict[tuple[str, ...], list[int]] = {}
    for row, each in enumerate(shells):
        rows_of.setdefault(tuple(each.cutoffs_angstrom), []).append(row)
    neighbours, centres = np.zeros((2, len(shells), n_slices))
    for symbols, rows in rows_of.items():
        around = np.flatnonzero(mask_of(numbers, symbols))
        middle = np.flatnonzero(mask_of(numbers, {shells[row].centre for row in rows}))
        longest = max(max(shells[row].cutoffs_angstrom.values()) for row in rows)
        tree = PeriodicTree(positions[around], cell, longest)
        pairs = tree.few_within(longest, positions[middle])
        first, second = numbers[middle][pairs.first], numbers[around][pairs.second]
        there = slice_of[middle]
        for row in rows:
            number = atomic_numbers[shells[row].centre]
            reach = np.zeros(len(atomic_numbers))
            for symbol, cutoff in shells[row].cutoffs_angstrom.items():
                reach[atomic_numbers[symbol]] = cutoff
            near = (first == number) & (pairs.distance_angstrom <= reach[second])
            neighbours[row] = np.bincount(there[pairs.first[near]], minlength=n_slices)
            centres[row] = np.bincount(there[numbers[middle] == number], minlength=n_slices)
    return neighbours, centres
