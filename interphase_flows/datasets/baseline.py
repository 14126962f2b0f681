"""Per-element energies and scales, fitted once on the first data set of a campaign."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from interphase_flows.schemas.dataset import Baseline

RIDGE = 1e-6
"""Keeps the fit defined when a campaign's compositions do not span its elements; far below any data."""


def composition_matrix(frames: Sequence[Atoms], elements: Sequence[str]) -> np.ndarray:
    """Return the number of atoms of each element in each frame, (n_frames, n_elements)."""
    return np.array([[list(f.symbols).count(e) for e in elements] for f in frames], dtype=float)


def fit_baseline(frames: Sequence[Atoms], cutoff_angstrom: float) -> Baseline:
    """Fit the energy of each element by least squares, and the scales a potential needs.

    Energies per atom are fitted against composition with a weak ridge towards their mean.
    Isolated atoms are not used: a surrogate is not made for them, and the differences between
    phases, which decide what forms, do not depend on this choice.

    Parameters
    ----------
    frames
        Labelled training frames.
    cutoff_angstrom
        Of the potential, for the mean number of neighbours.
    """
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    counts = composition_matrix(frames, elements)
    n_atoms = counts.sum(axis=1)
    fractions = counts / n_atoms[:, None]
    per_atom = np.array([f.get_potential_energy() for f in frames]) / n_atoms
    mean = per_atom.mean()
    n = len(elements)
    shifts = mean + np.linalg.solve(
        fractions.T @ fractions + RIDGE * np.eye(n), fractions.T @ (per_atom - mean)
    )
    symbols = np.concatenate([np.asarray(f.symbols) for f in frames])
    forces = np.concatenate([f.get_forces() for f in frames])
    rms = {e: float(np.sqrt((forces[symbols == e] ** 2).mean())) for e in elements}
    n_pairs = sum(len(neighbor_list("i", f, cutoff_angstrom)) for f in frames)
    return Baseline(
        elements=elements,
        energy_shifts_eV={e: float(s) for e, s in zip(elements, shifts, strict=True)},
        # an element that feels no force in the first set (a perfect crystal) would get a scale of zero
        forces_rms_eV_per_angstrom={e: max(v, 0.01) for e, v in rms.items()},
        mean_n_neighbours=float(n_pairs / n_atoms.sum()),
    )
