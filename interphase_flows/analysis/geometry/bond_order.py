"""Bond-orientational order (Steinhardt order parameters q_4 and q_6), invariant under rotation.

q_l = sqrt(4 pi / (2 l + 1) sum_m |q_lm|²), with q_lm the mean of the spherical harmonics Y_lm over the bonds of an atom:
Steinhardt, Nelson and Ronchetti, Phys. Rev. B 28, 784 (1983). The averaged order parameter uses the mean of
q_lm over an atom and its neighbours: Lechner and Dellago, J. Chem. Phys. 129, 114707 (2008), eqs. 5-6.

On the unit sphere the 28 monomials x^a y^b z^c of degree 6 span the harmonics of l = 0, 2, 4 and 6, so q_4m and q_6m are
a linear map of the mean of each monomial over the bonds. Real harmonics have the same sum of squares as complex ones.
"""

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy.special import sph_harm_y

from interphase_flows.analysis.array_types import FloatArray, IntArray

CUBIC = tuple(combinations_with_replacement(range(3), 3))
"""Axes of the monomials of degree 3; products of two of them are those of degree 6."""
N_HARMONICS = {4: 9, 6: 13}


@cache
def _factors() -> tuple[tuple[int, int], ...]:
    """Return pairs of `CUBIC` whose products are the monomials of degree 6, without repetition."""
    found: dict[tuple[int, ...], tuple[int, int]] = {}
    for i, first in enumerate(CUBIC):
        for j, second in enumerate(CUBIC):
            found.setdefault(tuple(sorted(first + second)), (i, j))
    return tuple(found.values())


def _cubic(directions: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    squares = {(i, j): directions[i] * directions[j] for i, j in combinations_with_replacement(range(3), 2)}
    return [squares[i, j] * directions[k] for i, j, k in CUBIC]


@cache
def _harmonics_of_monomials() -> NDArray[np.float32]:
    """Return the matrix (22, 28) from monomials to real harmonics of l = 4 and 6, times sqrt(4 pi / (2 l + 1)).

    Least-squares solution over 200 directions, which is unique.
    """
    directions = np.random.default_rng(0).normal(size=(3, 200))
    directions /= np.linalg.norm(directions, axis=0)
    theta, phi = np.arccos(directions[2]), np.arctan2(directions[1], directions[0])
    rows = []
    for degree in N_HARMONICS:
        for m in range(degree + 1):
            y = np.sqrt(4 * np.pi / (2 * degree + 1)) * sph_harm_y(degree, m, theta, phi)
            rows += [y.real] if m == 0 else [np.sqrt(2) * y.real, np.sqrt(2) * y.imag]
    cubic = _cubic(directions)
    monomials = np.array([cubic[i] * cubic[j] for i, j in _factors()])
    return np.linalg.lstsq(monomials.T, np.array(rows).T, rcond=None)[0].T.astype(np.float32)


def mean_harmonics(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Average the real harmonics of l = 4 and 6 over the bonds of each atom.

    Parameters
    ----------
    vectors
        Vectors from atoms to their neighbours, of nonzero length, (n_atoms, n_neighbours, 3).

    Returns
    -------
    harmonics
        (n_atoms, 22): 9 for l = 4 and 13 for l = 6, times sqrt(4 pi / (2 l + 1)).
    """
    # axes (xyz, bond, atom): the sum over bonds runs along the slow axis
    along = np.ascontiguousarray(np.asarray(vectors).transpose(2, 1, 0), dtype=np.float32)
    along /= np.sqrt(along[0] ** 2 + along[1] ** 2 + along[2] ** 2)
    cubic = _cubic(along)
    moments = np.array([np.einsum("kn,kn->n", cubic[i], cubic[j]) for i, j in _factors()])
    return (_harmonics_of_monomials() @ moments).T / np.float32(along.shape[1])


def bond_order(harmonics: NDArray[np.floating]) -> FloatArray:
    """Return q_4 and q_6 from mean harmonics (n_atoms, 22), dimensionless, (n_atoms, 2)."""
    squares = np.asarray(harmonics, dtype=float) ** 2
    middle = N_HARMONICS[4]
    return np.sqrt(np.column_stack([squares[:, :middle].sum(axis=1), squares[:, middle:].sum(axis=1)]))


def averaged_bond_order(harmonics: NDArray[np.float32], rows: IntArray, neighbours: NDArray[np.integer]) -> FloatArray:
    """Return the averaged q_4 and q_6 of some atoms.

    Parameters
    ----------
    harmonics
        Mean harmonics of these atoms and their neighbours, (n_atoms, 22).
    rows
        Indices of the requested atoms, (n_rows,).
    neighbours
        Indices of their neighbours, (n_rows, n_neighbours).
    """
    total = harmonics[rows]
    for column in np.ascontiguousarray(neighbours.T):
        total += harmonics.take(column, axis=0, mode="clip")
    return bond_order(total / np.float32(1 + neighbours.shape[1]))
