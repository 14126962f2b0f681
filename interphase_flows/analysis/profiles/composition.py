"""Number densities and composition along the interface normal against time.

Slices and heights are those of `interphase_flows.analysis.geometry.slices`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.geometry.slices import Slices

G_PER_CM3_PER_U_PER_ANGSTROM3 = units._amu * 1e27  # u in kg, 1e3 g/kg, 1e24 Å³/cm³


@dataclass(frozen=True)
class ProfileSeries:
    """Number density of each element along the normal, frame by frame."""

    time_ps: FloatArray
    elements: tuple[str, ...]
    bin_edges_angstrom: FloatArray
    """(n_bins + 1,), Å from the lower ab face of the first frame (or around the reference, see below)."""
    density: FloatArray
    """(n_frames, n_elements, n_bins), atoms/Å³."""
    counts: NDArray[np.int64]
    """(n_frames, n_elements, n_bins), atoms."""

    def mean_over(self, frames: slice) -> FloatArray:
        """Return the density averaged over a range of frames, (n_elements, n_bins), atoms/Å³."""
        return self.density[frames].mean(axis=0)

    def fractions(self) -> FloatArray:
        """Return the composition of each slice, (n_frames, n_elements, n_bins); NaN where it is empty."""
        total = self.counts.sum(axis=1, keepdims=True)
        return np.divide(self.counts, total, out=np.full(self.counts.shape, np.nan), where=total > 0)

    def mass_density_g_per_cm3(self) -> FloatArray:
        """Return the mass density of the counted elements in each slice, (n_frames, n_bins), g/cm³."""
        masses = atomic_masses[numbers_of(self.elements)]
        return np.asarray(np.einsum("e,feb->fb", masses, self.density) * G_PER_CM3_PER_U_PER_ANGSTROM3)


def composition_profile(
    frames: FrameSource,
    *,
    bin_width_angstrom: float = 1.0,
    elements: Sequence[str] | None = None,
    reference: BoolArray | None = None,
    every: int = 1,
) -> ProfileSeries:
    """Count the atoms of each element in slices parallel to the interface.

    Parameters
    ----------
    bin_width_angstrom
        Requested width of a slice; the nearest width that tiles the cell of the first frame is used.
    elements
        Chemical symbols to count; all by default.
    reference
        Atoms whose centre defines the centre of the profile, (n_atoms,), such as those of the electrolyte, so that a
        common drift does not smear the profile. Their centre in the first frame is a circular mean; afterwards it
        follows their mean unwrapped displacement, which cannot jump by a period.
    every
        Stride between the frames used; the last one is always used.

    Raises
    ------
    AnalysisError
        The trajectory is empty, the bins are wider than the cell, or the reference is empty or has no centre.
    """
    slices = Slices(frames, bin_width_angstrom, reference, every)
    elements = tuple(elements) if elements is not None else elements_of(frames)
    n_elements, n_bins = len(elements), slices.n_bins
    # elements that are not requested are counted in a last row, which is dropped
    first_slice_of = np.full(len(chemical_symbols), n_elements * n_bins)
    first_slice_of[numbers_of(elements)] = n_bins * np.arange(n_elements)
    first_slice = first_slice_of[frames.numbers]

    counts = np.zeros((len(slices.chosen), n_elements, n_bins), dtype=np.int64)
    volumes = np.empty(len(slices.chosen))
    for row, _, slice_of, volume in slices:
        found = np.bincount(first_slice + slice_of, minlength=(n_elements + 1) * n_bins)
        counts[row] = found.reshape(-1, n_bins)[:n_elements]
        volumes[row] = volume
    return ProfileSeries(
        time_ps=slices.time_ps,
        elements=elements,
        bin_edges_angstrom=slices.edges_angstrom,
        density=counts * n_bins / volumes[:, None, None],
        counts=counts,
    )
