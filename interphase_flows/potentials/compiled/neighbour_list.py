"""Neighbour list with a skin whose result depends on the atoms alone.

Candidates are all pairs within ``cutoff + skin`` at the positions of the last search, in a fixed order. Each call
returns those within ``cutoff``. A search is repeated when a pair that is no candidate may have come within the cutoff:
with F the deformation of the cell since the last search and u the displacements beyond it,

    |D| >= |D0| σ_min(F) - 2 max|u|

for every pair vector D, formerly D0. Since the order is fixed, the list does not depend on when the last search was,
so restarts are exact at any step. On a GPU, pairs are searched and selected there if nvalchemiops is installed.
"""

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
import torch
from ase import Atoms
from matscipy.neighbours import neighbour_list
from numpy.typing import NDArray

SKIN_ANGSTROM = 0.6
"""A search is repeated after about ten steps at 300 K; larger skins have more candidates."""
NEAR_ANGSTROM = 1.0
"""Displacement up to which atoms are taken as the next step of a run. Other atoms are searched without a skin."""
MARGIN_ANGSTROM = 1e-6
"""Safety margin for rounding."""
GPU_PACKAGE = "nvalchemiops"
"""Package whose cell list is used on a GPU; the extra ``gpu`` installs it."""
_LARGEST_CODE = 2**62
_Configuration: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]
"""Positions, cell and periodic boundary conditions."""


@dataclass(frozen=True)
class _Search:
    """Candidates, and the atoms of the search."""

    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    reach_angstrom: float
    first: torch.Tensor  # (n_candidates,)
    second: torch.Tensor
    shifts: torch.Tensor  # (n_candidates, 3), in cells


def is_searched_on(device: str) -> bool:
    """Return whether pairs are searched on a device: on a GPU with nvalchemiops."""
    return device == "cuda" and find_spec(GPU_PACKAGE) is not None


class NeighbourList:
    """Ordered pairs within a cutoff, on a device.

    Parameters
    ----------
    device
        Device of the result.
    search_on_device
        Whether nvalchemiops searches pairs on the device, instead of matscipy on the processor; see `is_searched_on`.
    """

    def __init__(
        self,
        cutoff_angstrom: float,
        skin_angstrom: float = SKIN_ANGSTROM,
        device: str | torch.device = "cpu",
        search_on_device: bool | None = None,
    ) -> None:
        self.cutoff_angstrom = cutoff_angstrom
        self.skin_angstrom = skin_angstrom
        self.device = torch.device(device)
        self.search_on_device = is_searched_on(self.device.type) if search_on_device is None else search_on_device
        self.n_searches = 0
        self._search: _Search | None = None
        self._last: tuple[_Configuration, torch.Tensor, torch.Tensor] | None = None
        self._vectors: tuple[NDArray[np.float64], torch.Tensor] | None = None

    def pairs(self, atoms: Atoms) -> tuple[torch.Tensor, torch.Tensor]:
        """Return indices (2, n_pairs) and shifts in cells (n_pairs, 3) of all pairs; those of the last atoms are kept."""
        now = atoms.positions, atoms.cell.array, atoms.pbc
        if self._last is None or not all(map(np.array_equal, self._last[0], now)):
            search = self._valid_search(atoms)
            indices, shifts = self._within_cutoff(search, atoms)
            self._last = (now[0].copy(), now[1].copy(), now[2].copy()), indices, shifts
        return self._last[1:]

    def _valid_search(self, atoms: Atoms) -> _Search:
        found = self._search
        if found is not None and len(found.positions) == len(atoms) and np.array_equal(found.pbc, atoms.pbc):
            smallest, displaced = 1.0, found.positions
            if not np.array_equal(found.cell, atoms.cell.array):
                deformation = np.linalg.solve(found.cell, atoms.cell.array)
                smallest = float(np.linalg.svd(deformation, compute_uv=False)[-1])
                displaced = found.positions @ deformation
            moved = atoms.positions - displaced
            largest = float(np.sqrt(np.einsum("ij,ij->i", moved, moved).max()))
            if found.reach_angstrom * smallest - 2.0 * largest >= self.cutoff_angstrom + MARGIN_ANGSTROM:
                return found
            skin = self.skin_angstrom if largest < NEAR_ANGSTROM else 0.0
        else:
            skin = 0.0
        self._search = self._new_search(atoms, self.cutoff_angstrom + skin)
        return self._search

    def _new_search(self, atoms: Atoms, reach_angstrom: float) -> _Search:
        self.n_searches += 1
        search = _search_on_device if self.search_on_device else _search_by_matscipy
        first, second, shifts = search(atoms, reach_angstrom, self.device)
        order = _order(first, second, shifts, len(atoms))
        self._vectors = None
        return _Search(
            atoms.positions.copy(),
            atoms.cell.array.copy(),
            atoms.pbc.copy(),
            reach_angstrom,
            first[order],
            second[order],
            shifts[order].to(torch.float64),
        )

    def _within_cutoff(self, search: _Search, atoms: Atoms) -> tuple[torch.Tensor, torch.Tensor]:
        positions = torch.from_numpy(np.ascontiguousarray(atoms.positions)).to(self.device)
        if self._vectors is None or not np.array_equal(self._vectors[0], atoms.cell.array):
            cell = atoms.cell.array.copy()
            self._vectors = cell, search.shifts @ torch.from_numpy(cell).to(self.device)
        vectors = positions.index_select(0, search.second)
        vectors -= positions.index_select(0, search.first)
        vectors += self._vectors[1]
        chosen = (vectors.square_().sum(1) < self.cutoff_angstrom**2).nonzero().squeeze(1)
        indices = torch.stack([search.first.index_select(0, chosen), search.second.index_select(0, chosen)])
        return indices, search.shifts.index_select(0, chosen)


def _search_by_matscipy(
    atoms: Atoms, cutoff_angstrom: float, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    first, second, shifts = neighbour_list(
        "ijS", pbc=atoms.pbc, cell=atoms.cell.array, positions=atoms.positions, cutoff=cutoff_angstrom
    )
    first, second, shifts = (torch.from_numpy(each.astype(np.int64)).to(device) for each in (first, second, shifts))
    return first, second, shifts


def _search_on_device(
    atoms: Atoms, cutoff_angstrom: float, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # installed by the extra ``gpu``; takes seconds to import
    from nvalchemiops.neighbors.neighbor_utils import NeighborOverflowError
    from nvalchemiops.torch.neighbors import batch_cell_list

    search = functools.partial(
        batch_cell_list,
        positions=torch.from_numpy(np.ascontiguousarray(atoms.positions)).to(device),
        cutoff=cutoff_angstrom,
        batch_idx=torch.zeros(len(atoms), dtype=torch.int32, device=device),
        cell=torch.from_numpy(atoms.cell.array.copy()).reshape(1, 3, 3).to(device),
        pbc=torch.from_numpy(atoms.pbc.copy()).reshape(1, 3).to(device),
        return_neighbor_list=True,
    )
    try:
        found = search()
    except NeighborOverflowError as error:  # denser than its estimate
        found = search(max_neighbors=error.num_neighbors)
    pairs, _, shifts = (each.to(torch.int64) for each in found)
    return pairs[0], pairs[1], shifts


def _order(first: torch.Tensor, second: torch.Tensor, shifts: torch.Tensor, n_atoms: int) -> torch.Tensor:
    """Return the order by first atom, second atom and shift."""
    largest = int(shifts.abs().max()) if len(shifts) else 0
    n_shifts = 2 * largest + 1
    if n_atoms**2 * n_shifts**3 > _LARGEST_CODE:
        keys = [each.cpu().numpy() for each in (*shifts.T.flip(0), second, first)]
        return torch.from_numpy(np.lexsort(keys)).to(first.device)
    code = first * n_atoms + second
    for axis in range(3):
        code = code * n_shifts + (shifts[:, axis] + largest)
    return code.argsort()
