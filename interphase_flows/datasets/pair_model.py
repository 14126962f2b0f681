"""Pair potentials fitted to a set of labels, with which each label of the set is compared.

    E       sum_a N_a mu_a + 1/2 sum_ij sum_k c_abk phi_k(r_ij)         a, b: elements of atoms i, j
    F_i     sum_j sum_k c_abk phi'_k(r_ij) (r_j - r_i) / r_ij
    V S     1/2 sum_ij sum_k c_abk phi'_k(r_ij) (r_j - r_i)^2 / r_ij     S: stress, V: volume
    phi_k   Gaussian at r_k times a cosine that ends at 5 Å

E, F and V S are linear in mu and c, which robust least squares fit: labels with large residuals get small weights, so a
minority of wrong labels does not hide itself. Such potentials are no use for dynamics. On labels of Li, P and S they
leave 0.03 eV/atom and half of the forces; labels in another unit, of another sign or structure are farther off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

CUTOFF_ANGSTROM = 5.0
CENTRES_ANGSTROM = np.arange(1.3, CUTOFF_ANGSTROM, 0.4)
WIDTH_ANGSTROM = 0.45
MAX_FITTED = 1000
"""Most labels that are fitted, evenly drawn from the set."""

MIN_EQUATIONS = 10
"""Fewest components of forces per coefficient."""

N_REWEIGHTINGS = 8
ENERGY_WEIGHT, VIRIAL_WEIGHT = 100.0, 5.0
"""Of squared residuals of energies and virials (eV/atom), relative to those of forces (eV/Å)."""

RIDGE = 1e-7
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PairModel:
    """Fitted energies of elements and pair potentials: ``mu`` (n_elements,), ``c`` (n_pairs, n_functions)."""

    numbers: NDArray[np.int_]
    mu: Array
    c: Array

    def predict(self, atoms: Atoms) -> tuple[float, Array, Array]:
        """Return energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt)."""
        i, pair, r, vector = _pairs(atoms, self.numbers)
        phi, derivative = _functions(r)
        slope = np.einsum("pk,pk->p", derivative, self.c[pair])[:, None] * vector / r[:, None]
        forces = np.zeros((len(atoms), 3))
        for axis in range(3):
            forces[:, axis] = np.bincount(i, slope[:, axis], len(atoms))
        energy = float(_counts(atoms, self.numbers) @ self.mu + 0.5 * np.einsum("pk,pk->", phi, self.c[pair]))
        stress = [0.5 * (slope[:, a] * vector[:, b]).sum() / atoms.get_volume() for a, b in VOIGT]
        return energy, forces, np.array(stress)


def fit_pair_model(
    frames: Sequence[Atoms],
    energies_eV: Array | None,
    forces: Sequence[Array],
    stresses: Sequence[Array] | None = None,
) -> PairModel | None:
    """Fit pair potentials to energies, forces and stresses (Voigt); return None if the set is too small for them.

    Without energies, those of the elements are 0. All frames have periodic cells.
    """
    numbers = np.unique(np.concatenate([atoms.numbers for atoms in frames]))
    n_kinds = len(numbers) * (len(numbers) + 1) // 2
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MAX_FITTED)).astype(int))
    if 3 * sum(len(frames[index]) for index in chosen) < MIN_EQUATIONS * n_kinds * len(CENTRES_ANGSTROM):
        return None
    equations: list[list[_Equations]] = [[], [], []]
    for index in chosen:
        atoms, n_atoms = frames[index], len(frames[index])
        energy_row, force_rows, virial_rows = _design(atoms, numbers, n_kinds)
        if energies_eV is not None:
            per_atom = energies_eV[[index]] / n_atoms
            equations[0].append(_Equations.of(energy_row[None] / n_atoms, per_atom, ENERGY_WEIGHT))
        equations[1].append(_Equations.of(force_rows, np.asarray(forces[index]).ravel(), 1.0))
        if stresses is not None:
            virial = np.asarray(stresses[index]) * atoms.get_volume()
            equations[2].append(_Equations.of(virial_rows / n_atoms, virial / n_atoms, VIRIAL_WEIGHT))
    solution = _robust_solution([part for part in equations if part])
    return PairModel(numbers, solution[: len(numbers)], solution[len(numbers) :].reshape(n_kinds, -1))


class _Equations(NamedTuple):
    """Mean normal equations of one label and one property: matrix, right-hand side, mean square, weight."""

    matrix: Array
    right: Array
    square: float
    weight: float

    @classmethod
    def of(cls, rows: Array, values: Array, weight: float) -> "_Equations":
        n = len(values)
        return cls(rows.T @ rows / n, rows.T @ values / n, float(values @ values) / n, weight)


def _robust_solution(properties: Sequence[Sequence[_Equations]]) -> Array:
    """Solve by least squares, reweighted so that a label counts by its residual, not the square, above the median."""
    parts = [
        (
            np.array([each.matrix for each in found]),
            np.array([each.right for each in found]),
            np.array([each.square for each in found]),
            found[0].weight,
        )
        for found in properties
    ]
    weights = [np.ones(len(part[0])) for part in parts]
    solution = np.zeros(0)
    for _ in range(N_REWEIGHTINGS):
        matrix = sum(scale * np.einsum("n,nij->ij", w, m) for w, (m, _, _, scale) in zip(weights, parts, strict=True))
        vector = sum(scale * w @ right for w, (_, right, _, scale) in zip(weights, parts, strict=True))
        matrix += RIDGE * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
        solution = np.linalg.solve(matrix, vector)
        weights = [
            _weights(square - 2 * right @ solution + np.einsum("i,nij,j->n", solution, each, solution))
            for each, right, square, _ in parts
        ]
    return solution


def _weights(mean_squares: Array) -> Array:
    residuals = np.sqrt(np.maximum(mean_squares, 1e-24))
    return np.minimum(1.0, np.median(residuals) / residuals)


def _counts(atoms: Atoms, numbers: NDArray[np.int_]) -> Array:
    return (atoms.numbers[:, None] == numbers).sum(axis=0).astype(float)


def _pairs(atoms: Atoms, numbers: NDArray[np.int_]) -> tuple[NDArray[np.int_], NDArray[np.int_], Array, Array]:
    """Return first atom, kind of pair, distance and vector of all pairs within the cutoff."""
    from matscipy.neighbours import neighbour_list  # slow import

    # matscipy is slow in skewed cells
    cell, _ = minkowski_reduce(atoms.cell.array, pbc=True)
    i, j, r, vector = neighbour_list(
        "ijdD", cutoff=CUTOFF_ANGSTROM, positions=atoms.positions, cell=cell, pbc=[True] * 3
    )
    element = np.searchsorted(numbers, atoms.numbers)
    low, high = np.minimum(element[i], element[j]), np.maximum(element[i], element[j])
    return i, high * (high + 1) // 2 + low, r, vector


def _functions(r: Array) -> tuple[Array, Array]:
    """Return functions and derivatives, (n_pairs, n_functions)."""
    offset = (r[:, None] - CENTRES_ANGSTROM) / WIDTH_ANGSTROM
    gaussian = np.exp(-0.5 * offset**2)
    angle = (np.pi / CUTOFF_ANGSTROM * r)[:, None]
    ending, slope = 0.5 * (1 + np.cos(angle)), -0.5 * np.pi / CUTOFF_ANGSTROM * np.sin(angle)
    return gaussian * ending, gaussian * (slope - ending * offset / WIDTH_ANGSTROM)


def _design(atoms: Atoms, numbers: NDArray[np.int_], n_kinds: int) -> tuple[Array, Array, Array]:
    """Return derivatives of energy, force components and virial (Voigt) by mu and c, (n, n_unknowns)."""
    i, kind, r, vector = _pairs(atoms, numbers)
    phi, derivative = _functions(r)
    columns, ones = np.arange(len(r)), np.ones(len(r))
    by_kind = csr_matrix((ones, (kind, columns)), shape=(n_kinds, len(r)))
    by_atom = csr_matrix((ones, (i * n_kinds + kind, columns)), shape=(len(atoms) * n_kinds, len(r)))
    energy = np.concatenate([_counts(atoms, numbers), 0.5 * (by_kind @ phi).ravel()])
    forces, virial = np.zeros((len(atoms), 3, len(energy))), np.zeros((6, len(energy)))
    slopes = [derivative * (vector[:, axis] / r)[:, None] for axis in range(3)]
    for axis, slope in enumerate(slopes):
        forces[:, axis, len(numbers) :] = (by_atom @ slope).reshape(len(atoms), -1)
    for row, (a, b) in enumerate(VOIGT):
        virial[row, len(numbers) :] = 0.5 * (by_kind @ (slopes[a] * vector[:, [b]])).ravel()
    return energy, forces.reshape(3 * len(atoms), -1), virial
