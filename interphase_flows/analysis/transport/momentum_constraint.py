"""Correlation beyond that caused by the reference frame.

In a frame tied to the species themselves, T has a null vector and rows of L add up to zero: sum_i m_i L_ij = 0 in the
barycentric frame. This constraint alone makes L_ij differ from zero. For two species |L_12| / L_22 = m_2 / m_1 for any
dynamics, and for three the off-diagonal coefficients follow from the diagonal. L_ij alone is therefore no evidence of
correlation.

The reference is atoms that move independently, each with the self-diffusion coefficient measured for its species, seen
from the same frame,

    L0 = T diag(N_i D_i / (kB T V)) T^T,    beyond = L - L0.

D*_i is measured relative to the barycentre, whose motion is larger the fewer atoms there are:
D*_i = D_i (1 - 2 m_i / M) + sum_k N_k m_k² D_k / M² for independent atoms. In a cell of 45 atoms, a framework at rest
appears to move by recoil alone. L0 uses the D_i that solve these equations.

`beyond` is zero for independent atoms in every frame. Its diagonal contains correlation within a species (the distinct
part), its other elements correlation between species. Correlation within one species i alone gives
L_ii - L0_ii = T_ii² (Lambda_i - N_i D_i / (kB T V)), with Lambda_i the coefficient of its atoms outside any frame: L_ii
with the constraint removed.

Harris, J. Phys. Chem. B 114, 9572 (2010), for the effect of the constraint on correlation coefficients of salts.
"""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import Estimate


def without_barycentre(
    about_barycentre: FloatArray, error: FloatArray, counts: IntArray, masses_u: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return D_i outside any frame of independent atoms with these D*_i, and its standard error, (n_species,).

    `counts` and `masses_u` of one atom are those of the species in the barycentre, (n_species,).
    """
    share = masses_u / (counts @ masses_u)
    about_barycentre_of = np.diag(1.0 - 2.0 * share) + counts * share**2
    # two atoms alone have one independent displacement
    inverse = np.linalg.pinv(about_barycentre_of, rcond=1e-9)
    return inverse @ about_barycentre, np.sqrt(inverse**2 @ error**2)


def independent_atoms(
    self_rate: FloatArray, self_error: FloatArray, matrix: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients of independent atoms in a frame and their standard errors.

    `self_rate` is N_i D_i, (n_species,); `matrix` is T of the frame, (n_species, n_species).
    """
    value = matrix @ np.diag(self_rate) @ matrix.T
    parts = np.einsum("ik,jk->ijk", matrix, matrix) * self_error
    return value, np.sqrt((parts**2).sum(axis=2))


def without_momentum_constraint(
    diagonal: Estimate, self_rate: FloatArray, self_error: FloatArray, matrix: FloatArray, quantile: float
) -> Estimate:
    """Return L_ii with the momentum constraint removed, (n_species,), from the diagonal of L of all species.

    Lambda_i = (L_ii - sum over k != i of T_ik² N_k D_k / (kB T V)) / T_ii²: the other species are taken as independent.
    NaN for a species that is at rest by definition of the frame. `self_rate` is N_i D_i in the unit of the diagonal,
    `matrix` T of the frame, `quantile` the half width of an interval in standard errors.
    """
    of_others = matrix**2 - np.diag(np.diag(matrix) ** 2)
    alone = difference(diagonal, of_others @ self_rate, np.sqrt(of_others**2 @ self_error**2), quantile)
    own = np.diag(matrix) ** 2
    moves = own > 1e-9
    factor = np.divide(1.0, own, out=np.full(len(own), np.nan), where=moves)
    return alone.scaled(factor)


def difference(measured: Estimate, value: FloatArray, error: FloatArray, quantile: float) -> Estimate:
    """Return an estimate minus a number with an independent error, errors added in squares."""
    below, above = measured.value - measured.lower, measured.upper - measured.value
    shifted = measured.value - value
    return Estimate(
        shifted,
        shifted - np.hypot(below, quantile * error),
        shifted + np.hypot(above, quantile * error),
        measured.confidence,
        standard_error=np.hypot(measured.standard_error, error),
    )
