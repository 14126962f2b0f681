"""Onsager matrices as they would be measured: drawn about a truth, with the intervals that measurements have."""

import numpy as np

from interphase_flows.analysis.statistics.estimate import Estimate, normal_quantile
from interphase_flows.analysis.transport.composition_grid.arrhenius import MeasuredAt
from interphase_flows.analysis.transport.composition_grid.results import (
    CellCoefficients,
    CellTransportResult,
    CommitteeTrust,
)
from interphase_flows.units import KB_EV_PER_K

ENERGIES_EV = np.array([0.25, 0.6])
"""Activation energies of Li and P."""


def true_matrix(
    temperature_K: float, correlation: float = 0.5, log_height: tuple[float, float] = (1.0, 0.5)
) -> np.ndarray:
    """L of Li and P, with one correlation; kB T L_ii obeys Arrhenius' law, and the height is ln L_ii at 1000 K."""
    inverse = 1 / (KB_EV_PER_K * temperature_K) - 1 / (KB_EV_PER_K * 1000.0)
    diagonal = np.exp(np.array(log_height) - ENERGIES_EV * inverse) * 1000.0 / temperature_K
    cross = correlation * np.sqrt(diagonal.prod())
    return np.array([[diagonal[0], cross], [cross, diagonal[1]]])


def drawn(random: np.random.Generator, matrix: np.ndarray, n_independent: int) -> Estimate:
    """Estimate a matrix from so many independent displacements; its diagonal has score intervals."""
    z = normal_quantile(0.95)
    steps = random.standard_normal((n_independent, len(matrix))) @ np.linalg.cholesky(matrix).T
    value = steps.T @ steps / n_independent
    diagonal = np.diag(value)
    error = np.sqrt((np.outer(diagonal, diagonal) + value**2) / n_independent)
    lower, upper = value - z * error, value + z * error
    relative = z * np.sqrt(2.0 / n_independent)
    for i, each in enumerate(diagonal):
        lower[i, i] = each / (1 + relative)
        upper[i, i] = each / (1 - relative) if relative < 1 else np.inf
    return Estimate(value, lower, upper, standard_error=error)


def exact(matrix: np.ndarray, relative: float = 0.01) -> Estimate:
    """A matrix as it is, with small errors."""
    diagonal = np.diag(matrix)
    error = relative * np.sqrt(np.outer(diagonal, diagonal))
    return Estimate(matrix, matrix - 2 * error, matrix + 2 * error, standard_error=error)


def exact_points(temperatures_K, **truth) -> list[MeasuredAt]:
    """One exact matrix at each temperature."""
    return [MeasuredAt(t, exact(true_matrix(t, **truth))) for t in temperatures_K]


def covers(estimate: Estimate, truth: np.ndarray) -> np.ndarray:
    return (estimate.lower <= truth) & (truth <= estimate.upper)


def cell_transport(
    x_electrode: float,
    temperature_K: float,
    onsager: Estimate | None,
    number: int = 0,
    rejection: str = "",
    trust: CommitteeTrust | None = None,
) -> CellTransportResult:
    """Transport of Li and P relative to S in the cell of a grid."""
    cell = f"grid-x{x_electrode:.3f}-{number}"
    return CellTransportResult(
        run_id=f"{cell}-{temperature_K:g}K",
        cell=cell,
        composition={"Li": 7, "P": 3, "S": 11},
        x_electrode=x_electrode,
        temperature_K=temperature_K,
        species=("Li", "P"),
        at_rest="S",
        coefficients=None
        if onsager is None
        else CellCoefficients(
            onsager_per_eV_angstrom_ps=onsager,
            length_ps=100.0,
            step_ps=1.0,
            n_independent=np.array([80.0, 80.0]),
            volume_angstrom3=1000.0,
        ),
        rejection=rejection,
        trust=trust or CommitteeTrust(n_evaluations=100, n_above_select=5, n_above_stop=0),
    )
