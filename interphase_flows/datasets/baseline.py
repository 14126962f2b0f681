"""Baseline of a potential: atomic energies and force scales, fitted to the first dataset of a campaign."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from interphase_flows.schemas.dataset import Baseline

RIDGE = 1e-6
"""Regularisation for compositions that do not span the elements; negligible otherwise."""


def composition_matrix(frames: Sequence[Atoms], elements: Sequence[str]) -> np.ndarray:
    """Return the number of atoms of each element in each frame, (n_frames, n_elements)."""
    return np.array([[list(f.symbols).count(e) for e in elements] for f in frames], dtype=float)


def fit_baseline(frames: Sequence[Atoms], cutoff_angstrom: float) -> Baseline:
    """Fit atomic energies by least squares, and compute force scales and the mean number of neighbours.

    Energies per atom are fitted against composition, with a weak ridge towards their mean. Isolated atoms are not
    used, because surrogates are not trained on them; energy differences between phases do not depend on this
    choice.
    """
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    counts = composition_matrix(frames, elements)
    n_atoms = counts.sum(axis=1)
    fractions = counts / n_atoms[:, None]
    per_atom = np.array([f.get_potential_energy() for f in frames]) / n_atoms
    mean = per_atom.mean()
    n = len(elements)
    shifts = mean + np.linalg.solve(fractions.T @ fractions + RIDGE * np.eye(n), fractions.T @ (per_atom - mean))
    symbols = np.concatenate([np.asarray(f.symbols) for f in frames])
    forces = np.concatenate([f.get_forces() for f in frames])
    rms = {e: float(np.sqrt((forces[symbols == e] ** 2).mean())) for e in elements}
    n_pairs = sum(len(neighbor_list("i", f, cutoff_angstrom)) for f in frames)
    return Baseline(
        elements=elements,
        energy_shifts_eV={e: float(s) for e, s in zip(elements, shifts, strict=True)},
        # an element without forces (perfect crystals only) would have a scale of zero
        forces_rms_eV_per_angstrom={e: max(v, 0.01) for e, v in rms.items()},
        mean_n_neighbours=float(n_pairs / n_atoms.sum()),
    )
