"""Reference frames of collective displacements: barycentric, lattice, Hittorf, and that of the simulation.

In a frame, a weighted mean of the mean displacements of the species is at rest, sum_j w_j R_j / N_j with sum_j w_j = 1.
Then R'_i = R_i - N_i sum_j w_j R_j / N_j, that is R' = T R and L' = T L T^T with
T_ij = delta_ij - N_i w_j / N_j.

=============== ==================================  =================================================
frame           w_j                                 at rest
=============== ==================================  =================================================
``barycentric`` N_j m_j / M                         the centre of mass (T_ij = delta_ij - N_i m_j / M)
``lattice``     N_j / N_host for the host's species the host, with equal weights
``hittorf``     1 for one species                   that species, a solvent or an immobile anion
``as_simulated`` 0                                  nothing: T is the identity, positions are taken as they are
=============== ==================================  =================================================

Kirkwood et al., J. Chem. Phys. 33, 1505 (1960), for the transformation of coefficients.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

ReferenceFrame = Literal["barycentric", "lattice", "hittorf", "as_simulated"]


def frame_matrix(
    frame: ReferenceFrame,
    species: Sequence[str],
    counts: IntArray,
    masses_u: FloatArray,
    at_rest: Sequence[str] = (),
) -> FloatArray:
    """Return T of L' = T L T^T, (n_species, n_species).

    `counts` (may be zero) and `masses_u` of one atom are those of all species of the cell, (n_species,). `at_rest`
    names the host for ``lattice``, one species for ``hittorf``, none for the others. Raises AnalysisError if the
    frame is unknown, or the species at rest do not belong to it or have no atom.
    """
    if frame not in get_args(ReferenceFrame):
        raise AnalysisError(f"unknown reference frame {frame}; choose from {', '.join(get_args(ReferenceFrame))}")
    absent = [symbol for symbol in at_rest if symbol not in species]
    if absent:
        raise AnalysisError(f"at_rest names {', '.join(absent)}, but there are {', '.join(species)}")
    expected = {"hittorf": "one species", "lattice": "the host's species"}.get(frame, "no species")
    fits = {"hittorf": len(at_rest) == 1, "lattice": len(at_rest) > 0}.get(frame, not at_rest)
    if not fits:
        raise AnalysisError(f"at_rest holds {list(at_rest)}; the {frame} frame needs {expected}")
    if frame == "as_simulated":
        return np.eye(len(species))
    atoms = np.asarray(counts, dtype=float)
    # weight per atom, w_j / N_j, defined for species without atoms too
    weights = np.asarray(masses_u if frame == "barycentric" else np.isin(species, list(at_rest)), dtype=float)
    if not (total := atoms @ weights) > 0:
        raise AnalysisError(f"no atom of {', '.join(at_rest or species)} is present to define the {frame} frame")
    # in this order of operations the row of a species at rest by definition is exactly zero
    return np.eye(len(species)) - np.outer(atoms, weights) / total
