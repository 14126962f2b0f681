"""Mean squared displacement of each species from the first frame.

MSD_s(t) = 1/N_s sum over i in s of |r_i(t) - r_i(0) - R(t) + R(0)|², with R the centre of mass of all atoms, because the
drift of the cell under a thermostat is not diffusion. In a changing cell, r are the positions in the mean cell
(`geometry.changing_cell`). The only time origin is the first frame: a reacting interface is
not stationary, and an average over origins would mix its stages. Hence no diffusion coefficient is derived here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.changing_cell import MeanCell
from interphase_flows.analysis.geometry.frames import FrameSource, chosen_frames, elements_of, mask_of
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class DisplacementSeries:
    """Mean squared displacement of each species from the first frame."""

    time_ps: FloatArray
    """(n_frames,), ps after the first frame."""
    species: tuple[str, ...]
    """Chemical symbols, in the order of `msd_angstrom2`."""
    msd_angstrom2: FloatArray
    """(n_frames, n_species), Å²."""
    drift_angstrom: FloatArray
    """(n_frames, 3), displacement of the centre of mass, which is subtracted, Å."""


def mean_squared_displacement(
    frames: FrameSource, *, species: Sequence[str] | None = None, every: int = 1
) -> DisplacementSeries:
    """Return the mean squared displacement of each species (by default all) from the first frame.

    `every` is the stride between the frames used; the last one is always used. Raises AnalysisError if the trajectory
    is empty, or a species is not in it.
    """
    chosen = chosen_frames(frames, every)
    species = tuple(species) if species is not None else elements_of(frames)
    masks = [mask_of(frames.numbers, {symbol}) for symbol in species]
    absent = [symbol for symbol, mask in zip(species, masks, strict=True) if not mask.any()]
    if absent:
        raise AnalysisError(
            f"no atom of {', '.join(absent)} in the trajectory, which holds {', '.join(elements_of(frames))}"
        )
    weights = atomic_masses[frames.numbers]
    weights = weights / weights.sum()
    mean = MeanCell.of(frames, chosen)
    start = mean.positions(0, np.asarray(frames.positions(chosen[0]), dtype=float))
    msd = np.empty((len(chosen), len(species)))
    drift = np.empty((len(chosen), 3))
    for row, index in enumerate(chosen):
        moved = mean.positions(row, np.asarray(frames.positions(index), dtype=float)) - start
        drift[row] = weights @ moved
        squared = ((moved - drift[row]) ** 2).sum(axis=1)
        msd[row] = [squared[mask].mean() for mask in masks]
    time_fs = np.asarray(frames.time_fs, dtype=float)[chosen]
    return DisplacementSeries((time_fs - time_fs[0]) / 1000.0, species, msd, drift)
