"""Groups of atoms whose displacements are summed: one species of the cell, or one species of a slab.

A species is a chemical element, so all its atoms have one mass and the momentum constraint holds exactly. A *domain* is
the region over which a barycentre is taken: the entire cell, or a slab of it.
"""

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import FrameSource, elements_of
from interphase_flows.analysis.geometry.slices import circular_mean, heights, wrapped_index
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class AtomGroups:
    """Partition of all atoms into groups; groups of a domain are contiguous. Properties of a group are (n_groups,)."""

    labels: IntArray
    """(n_atoms,), the group of each atom."""
    species: tuple[str, ...]
    domain: IntArray
    counts: IntArray
    """Atoms in each group; none is empty."""
    masses_u: FloatArray
    """Of one atom."""
    n_domains: int
    """Number of domains, empty ones included."""

    def of_domain(self, domain: int) -> IntArray:
        """Return the indices of a domain's groups."""
        return np.flatnonzero(self.domain == domain)


def by_species(frames: FrameSource, domain_of_atom: IntArray | None = None, n_domains: int = 1) -> AtomGroups:
    """Group atoms by element, and by domain where there are several; by default the only domain is the cell."""
    if domain_of_atom is None:
        domain_of_atom = np.zeros(frames.n_atoms, dtype=np.int64)
    elements = elements_of(frames)
    numbers = np.unique(frames.numbers)
    element_of_atom = np.searchsorted(numbers, frames.numbers)
    code = domain_of_atom * len(elements) + element_of_atom
    present, labels, counts = np.unique(code, return_inverse=True, return_counts=True)
    return AtomGroups(
        labels=labels.astype(np.int64),
        species=tuple(chemical_symbols[numbers[each % len(elements)]] for each in present),
        domain=present // len(elements),
        counts=counts.astype(np.int64),
        masses_u=atomic_masses[numbers[present % len(elements)]],
        n_domains=n_domains,
    )


def slabs_along_normal(frames: FrameSource, frame: int, n_slabs: int, reference: BoolArray | None) -> IntArray:
    """Return the slab of each atom in one frame, (n_atoms,): slabs of equal height, parallel to a and b.

    `reference` selects the atoms whose centre defines the centre of the slabs, as in `profiles.composition_profile`:
    their circular mean in the first frame, then their mean unwrapped displacement. Raises AnalysisError if it is
    empty or has no centre.
    """
    along_c = heights(frames.positions(frame), frames.cell(frame))
    if reference is not None:
        if not np.any(reference):
            raise AnalysisError("the reference of the slabs selects no atom")
        start = heights(frames.positions(0), frames.cell(0))[reference]
        along_c -= circular_mean(start) - 0.5 + (along_c[reference] - start).mean()
    return wrapped_index(along_c, n_slabs)


def normal_axes(cell: NDArray[np.floating]) -> FloatArray:
    """Return three orthonormal rows: two in the ab plane, then its normal, (3, 3)."""
    a, b = np.asarray(cell, dtype=float)[:2]
    normal = np.cross(a, b)
    first, third = a / np.linalg.norm(a), normal / np.linalg.norm(normal)
    return np.stack([first, np.cross(third, first), third])
