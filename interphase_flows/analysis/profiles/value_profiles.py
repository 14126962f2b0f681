"""Profiles of any atomic property along the interface normal against time: coordination, phases, charges.

`profile_of` averages numbers, `label_profile` counts labels. Both call a function of the frame index, so that only one
frame is in memory; `coordination_of` and `anions_of` return such functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.coordination import coordination_numbers
from interphase_flows.analysis.geometry.frames import FrameSource, mask_of
from interphase_flows.analysis.geometry.slices import Slices
from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class ValueProfile:
    """Mean of a number per atom in each slice, (n_frames, n_bins), frame by frame."""

    time_ps: FloatArray
    bin_edges_angstrom: FloatArray
    mean: FloatArray
    """NaN where no atom has a value, as the standard deviation over the atoms of the slice."""
    standard_deviation: FloatArray
    counts: NDArray[np.int64]
    """Atoms with a value."""


@dataclass(frozen=True)
class LabelProfile:
    """Number of atoms with each label in each slice, frame by frame."""

    time_ps: FloatArray
    bin_edges_angstrom: FloatArray
    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    """(n_frames, n_labels, n_bins), atoms."""

    def shares(self) -> FloatArray:
        """Return the fraction of each label among the labelled atoms of a slice, (n_frames, n_labels, n_bins).

        NaN where no atom has a label.
        """
        total = self.counts.sum(axis=1, keepdims=True)
        return np.divide(self.counts, total, out=np.full(self.counts.shape, np.nan), where=total > 0)


def profile_of(
    frames: FrameSource,
    values: Callable[[int], NDArray[np.floating]],
    *,
    bin_width_angstrom: float = 1.0,
    reference: BoolArray | None = None,
    every: int = 1,
) -> ValueProfile:
    """Average a number per atom in slices parallel to the interface.

    `values` returns the number of every atom of a frame, (n_atoms,); atoms with NaN are not counted. The other
    parameters are those of `geometry.slices.Slices`. Raises AnalysisError as `Slices`, or the number of values
    differs from the number of atoms.
    """
    slices = Slices(frames, bin_width_angstrom, reference, every)
    shape = (len(slices.chosen), slices.n_bins)
    counts = np.zeros(shape, dtype=np.int64)
    sums, squares = np.zeros(shape), np.zeros(shape)
    centres = np.zeros(len(slices.chosen))
    for row, frame, slice_of, _ in slices:
        value = np.asarray(values(frame), dtype=float)
        _check_length(value, frames)
        where = slice_of
        sums[row] = np.bincount(where, weights=value, minlength=slices.n_bins)
        if not np.isfinite(sums[row]).all():
            known = np.isfinite(value)
            value, where = value[known], slice_of[known]
            sums[row] = np.bincount(where, weights=value, minlength=slices.n_bins)
        counts[row] = np.bincount(where, minlength=slices.n_bins)
        # about the mean of the frame, because squares of large numbers would cancel
        centres[row] = sums[row].sum() / max(len(value), 1)
        off = value - centres[row]
        off *= off
        squares[row] = np.bincount(where, weights=off, minlength=slices.n_bins)
    some = counts > 0
    mean = np.divide(sums, counts, out=np.full(shape, np.nan), where=some)
    square = np.divide(squares, counts, out=np.full(shape, np.nan), where=some)
    variance = square - (mean - centres[:, None]) ** 2
    return ValueProfile(
        time_ps=slices.time_ps,
        bin_edges_angstrom=slices.edges_angstrom,
        mean=mean,
        standard_deviation=np.sqrt(np.maximum(variance, 0.0)),
        counts=counts,
    )


def label_profile(
    frames: FrameSource,
    codes: Callable[[int], NDArray[np.integer]],
    labels: Sequence[str],
    *,
    bin_width_angstrom: float = 1.0,
    reference: BoolArray | None = None,
    every: int = 1,
) -> LabelProfile:
    """Count labels of atoms, such as the phase each is in, in slices parallel to the interface.

    `codes` returns the index in `labels` of every atom of a frame, (n_atoms,); negative: no label. The other
    parameters are those of `geometry.slices.Slices`. Raises AnalysisError as `Slices`, or a code is not an index of
    `labels`.
    """
    slices = Slices(frames, bin_width_angstrom, reference, every)
    n_labels, n_bins = len(labels), slices.n_bins
    counts = np.zeros((len(slices.chosen), n_labels, n_bins), dtype=np.int64)
    for row, frame, slice_of, _ in slices:
        code = np.asarray(codes(frame)).astype(np.int64)
        _check_length(code, frames)
        if code.max(initial=-1) >= n_labels:
            raise AnalysisError(
                f"frame {frame} has an atom with the label {int(code.max())}, but there are {n_labels} names "
                f"({', '.join(labels)}); every label needs a name"
            )
        known = code >= 0
        found = np.bincount(code[known] * n_bins + slice_of[known], minlength=n_labels * n_bins)
        counts[row] = found.reshape(n_labels, n_bins)
    return LabelProfile(slices.time_ps, slices.edges_angstrom, tuple(labels), counts)


def coordination_of(
    frames: FrameSource, *, centre: str, neighbour: str, cutoff_angstrom: float
) -> Callable[[int], FloatArray]:
    """Return a function of the frame that counts the neighbours of one element around each atom of another.

    Atoms of other elements have NaN. For `profile_of`; see `coordination_numbers`.
    """
    is_centre = mask_of(frames.numbers, {centre})

    def values(frame: int) -> FloatArray:
        found = np.full(frames.n_atoms, np.nan)
        found[is_centre] = coordination_numbers(
            frames.positions(frame),
            frames.cell(frame),
            frames.numbers,
            centre=centre,
            neighbour=neighbour,
            cutoff_angstrom=cutoff_angstrom,
        )
        return found

    return values


def anions_of(frames: FrameSource, chemistry: AnionChemistry) -> Callable[[int], NDArray[np.integer]]:
    """Return a function of the frame that returns the anion of each atom as an index of `chemistry.labels`.

    For `label_profile`; see `classify_environments`.
    """
    return lambda frame: (
        classify_environments(frames.positions(frame), frames.cell(frame), frames.numbers, chemistry).atom_codes
    )


def _check_length(values: NDArray[np.generic], frames: FrameSource) -> None:
    if values.shape != (frames.n_atoms,):
        raise AnalysisError(
            f"the values have the shape {values.shape}, but there are {frames.n_atoms} atoms; there must be one per atom"
        )
