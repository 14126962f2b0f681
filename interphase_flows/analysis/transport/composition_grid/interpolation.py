"""Onsager coefficients against composition: interpolation between measured compositions.

Compositions lie on the line from the electrolyte (x = 0) to the electrode (x = 1), with x the fraction of atoms from the
electrode. ln L_ii and the correlations C_ij (`positive_matrices`) are interpolated linearly in x between the two
neighbours, so L_ij stays symmetric and positive semidefinite.

An interval contains three contributions:

1. The errors of the neighbours, with the weights of the interpolation.
2. The variation between them. The curve is modelled as a random walk in x through the measured compositions: its mean is
   the linear interpolation, its variance that of a Brownian bridge, q (x - x1)(x2 - x) / (x2 - x1). q is the sum of
   dy² - s1² - s2² over the increments dy between neighbours, divided by the range of x. Its precision depends on the
   number of increments, so this part has Student's quantile for that number: with two compositions, 12.7 standard
   deviations.
3. The error of x itself, through the slope.

A smooth curve is modelled as rougher than it is, so intervals dominated by part 2 are too wide rather than too narrow.
There is no extrapolation outside the grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import Estimate, normal_quantile
from interphase_flows.analysis.transport.composition_grid.arrhenius_matrix import ArrheniusMatrix
from interphase_flows.analysis.transport.positive_matrices import OnsagerParts
from interphase_flows.exceptions import AnalysisError

MIN_COMPOSITIONS = 2
SAME_COMPOSITION = 1e-9


@dataclass(frozen=True)
class CompositionGrid:
    """Onsager matrices at and between several compositions."""

    x_electrode: FloatArray
    """(n_compositions,), rising."""
    matrices: tuple[ArrheniusMatrix, ...]

    @property
    def species(self) -> tuple[str, ...]:
        """Names, in the order of the matrices."""
        return self.matrices[0].species

    @property
    def confidence(self) -> float:
        """Confidence of the intervals."""
        return self.matrices[0].diagonal[0].confidence

    def parts_at(self, x_electrode: float, temperature_K: float, x_error: float = 0.0) -> OnsagerParts:
        """Return ln L_ii and C_ij at a composition within the grid and a temperature; errors give the entire interval.

        `warnings_at` reports extrapolation in temperature; `x_error` is the standard error of the fraction. Raises
        AnalysisError if the composition is outside the grid.
        """
        x, first, last = float(x_electrode), self.x_electrode[0], self.x_electrode[-1]
        if not first - SAME_COMPOSITION <= x <= last + SAME_COMPOSITION:
            raise AnalysisError(
                f"x_electrode = {x:.3g} is outside the grid, {first:.3g} to {last:.3g}: compositions are not "
                "extrapolated. Hint: measure a cell beyond it"
            )
        parts = [matrix.parts_at(temperature_K) for matrix in self.matrices]
        value, error = (np.stack(each) for each in zip(*(_packed(part) for part in parts), strict=True))
        k = int(np.clip(np.searchsorted(self.x_electrode, x) - 1, 0, len(parts) - 2))
        x1, x2 = self.x_electrode[k : k + 2]
        share = np.clip((x - x1) / (x2 - x1), 0.0, 1.0)
        weights = np.array([1.0 - share, share])
        slope = (value[k + 1] - value[k]) / (x2 - x1)
        # increments do not contain Student's quantile of few cells
        own = np.stack([_packed(matrix.parts_at(temperature_K, widened=False))[1] for matrix in self.matrices])
        bridge = self._roughness(value, own) * (x2 - x1) * share * (1.0 - share)
        wider = student.ppf(0.5 + 0.5 * self.confidence, len(parts) - 1) / normal_quantile(self.confidence)
        variance = (weights**2) @ error[k : k + 2] ** 2 + wider**2 * bridge + (slope * x_error) ** 2
        return _unpacked(weights @ value[k : k + 2], np.sqrt(variance), len(self.species))

    def at(self, x_electrode: float, temperature_K: float, x_error: float = 0.0) -> Estimate:
        """Return L_ij, 1/(eV Å ps), (n_species, n_species), under the conditions of `parts_at`."""
        return self.parts_at(x_electrode, temperature_K, x_error).estimate(self.confidence)

    def warnings_at(self, temperature_K: float) -> list[str]:
        """Return warnings about lines that are extrapolated at a temperature."""
        return [
            f"x = {x:.2f}, {warning}"
            for x, matrix in zip(self.x_electrode, self.matrices, strict=True)
            for warning in matrix.warnings_at(temperature_K)
        ]

    def _roughness(self, value: FloatArray, error: FloatArray) -> FloatArray:
        """Return q of every part, (n_parts,): the variance per unit of x."""
        steps = np.diff(value, axis=0) ** 2 - error[1:] ** 2 - error[:-1] ** 2
        return np.asarray(np.maximum(steps.sum(axis=0), 0.0) / (self.x_electrode[-1] - self.x_electrode[0]))


def composition_grid(matrices: Mapping[float, ArrheniusMatrix]) -> CompositionGrid:
    """Combine the matrices of several compositions, by the fraction of atoms that come from the electrode.

    Raises AnalysisError for fewer than two compositions, or different species.
    """
    if len(matrices) < MIN_COMPOSITIONS:
        raise AnalysisError(
            f"{len(matrices)} composition{'' if len(matrices) == 1 else 's'} with a fitted matrix: interpolation "
            f"needs {MIN_COMPOSITIONS} or more"
        )
    by_x = sorted(matrices.items())
    if len({matrix.species for _, matrix in by_x}) > 1:
        named = "; ".join(f"x = {x:.2f}: {', '.join(matrix.species)}" for x, matrix in by_x)
        raise AnalysisError(f"matrices are of different species ({named}); all must be of the same species")
    return CompositionGrid(np.array([x for x, _ in by_x]), tuple(matrix for _, matrix in by_x))


def _packed(parts: OnsagerParts) -> tuple[FloatArray, FloatArray]:
    """Return values and errors of all parts in a row: ln L_ii, then C_ij of the upper triangle."""
    upper = np.triu_indices(len(parts.log_diagonal), 1)
    return (
        np.concatenate([parts.log_diagonal, parts.correlation[upper]]),
        np.concatenate([parts.log_error, parts.correlation_error[upper]]),
    )


def _unpacked(value: FloatArray, error: FloatArray, n_species: int) -> OnsagerParts:
    correlation, correlation_error = np.eye(n_species), np.zeros((n_species, n_species))
    i, j = np.triu_indices(n_species, 1)
    correlation[i, j] = correlation[j, i] = value[n_species:]
    correlation_error[i, j] = correlation_error[j, i] = error[n_species:]
    return OnsagerParts(value[:n_species], error[:n_species], correlation, correlation_error)
