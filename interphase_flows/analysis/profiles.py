"""Where each element is: number densities along the interface normal against time.

The normal is perpendicular to a and b. A point's height is its fractional coordinate along c times the
distance between the two ab faces, so bins are parallel to the interface in any triclinic cell and tile it
exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.frames import BoolArray, FloatArray, FrameSource, chosen_frames, mask_of
from interphase_flows.analysis.neighbours import face_distances, fractional
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class ProfileSeries:
    """Number density of each element along the normal, frame by frame."""

    time_ps: FloatArray
    """(n_frames,), ps."""
    elements: tuple[str, ...]
    """Chemical symbols, in the order of `density`."""
    bin_edges_angstrom: FloatArray
    """(n_bins + 1,), Å from the lower ab face of the first frame (or around the reference, see below)."""
    density: FloatArray
    """(n_frames, n_elements, n_bins), atoms/Å³."""
    counts: NDArray[np.int64]
    """(n_frames, n_elements, n_bins), atoms."""

    def mean_over(self, frames: slice) -> FloatArray:
        """Return the density averaged over a range of frames, (n_elements, n_bins), atoms/Å³."""
        return self.density[frames].mean(axis=0)


def elements_of(frames: FrameSource) -> tuple[str, ...]:
    """Return the chemical symbols of a trajectory by atomic number."""
    return tuple(chemical_symbols[number] for number in np.unique(frames.numbers))


def circular_mean(fractions: FloatArray) -> float:
    """Return the mean of periodic fractional coordinates, in [0, 1).

    The angle of the mean of exp(2 pi i f): Mardia and Jupp, *Directional Statistics* (2000), section 2.2.

    Raises
    ------
    AnalysisError
        The atoms fill the period evenly, so no point is their middle.
    """
    resultant = np.exp(2j * np.pi * fractions).mean()
    if abs(resultant) < 1e-3:
        raise AnalysisError(
            "the reference atoms fill the cell evenly along the normal, so they have no middle to measure "
            "from; "
            "choose the atoms of one slab, or leave the reference out"
        )
    return float(np.angle(resultant) / (2 * np.pi) % 1.0)


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
    frames
        The trajectory.
    bin_width_angstrom
        Wanted width of a slice in Å; the nearest width that tiles the first frame's cell is used.
    elements
        Chemical symbols to count; all of the trajectory's by default.
    reference
        Atoms whose middle is put at the middle of the profile, (n_atoms,): those of the electrolyte, say, so
        that a drift of everything does not smear the profile. Their middle in the first frame is a circular
        mean; it is followed afterwards by their mean unwrapped displacement, which cannot jump by a period.
    every
        Stride between the frames used; the last one is always used.

    Raises
    ------
    AnalysisError
        The trajectory is empty, the bins are wider than the cell, or the reference is empty or has no middle.
    """
    chosen = chosen_frames(frames, every)
    height = face_distances(frames.cell(0))[2]
    if not 0 < bin_width_angstrom <= height:
        raise AnalysisError(
            f"bins of {bin_width_angstrom} Å do not fit into a cell of {height:.2f} Å; choose about 1 Å"
        )
    if reference is not None and not np.any(reference):
        raise AnalysisError("the reference of the profile selects no atom; give at least one")
    n_bins = max(1, round(height / bin_width_angstrom))
    elements = tuple(elements) if elements is not None else elements_of(frames)
    masks = [mask_of(frames.numbers, {element}) for element in elements]

    counts = np.zeros((len(chosen), len(elements), n_bins), dtype=np.int64)
    volumes = np.empty(len(chosen))
    origin, start = 0.0, np.empty(0)
    for row, index in enumerate(chosen):
        cell = frames.cell(index)
        along_c = fractional(frames.positions(index), cell)[:, 2]
        if reference is not None:
            if row == 0:
                start = along_c[reference]
                origin = circular_mean(start) - 0.5
            along_c = along_c - origin - (along_c[reference] - start).mean()
        # the modulo twice: -1e-17 % 1 is 1.0, which would fall off the last bin
        bins = ((along_c % 1.0) % 1.0 * n_bins).astype(np.int64)
        volumes[row] = abs(np.linalg.det(cell))
        for column, mask in enumerate(masks):
            counts[row, column] = np.bincount(bins[mask], minlength=n_bins)
    return ProfileSeries(
        time_ps=np.asarray(frames.time_fs, dtype=float)[chosen] / 1000.0,
        elements=elements,
        bin_edges_angstrom=np.linspace(0.0, height, n_bins + 1),
        density=counts * n_bins / volumes[:, None, None],
        counts=counts,
    )
