"""Transformation by nucleation and growth (JMAK): y = y_end (1 - exp(-(K t)^n)).

Johnson, Mehl, Avrami and Kolmogorov: Avrami, J. Chem. Phys. 7, 1103 (1939); 9, 177 (1941). It assumes random nuclei in a
volume far larger than a grain; in a slab of a few grains, n is smaller than in theory. The plateau y_end is a free
parameter.
"""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law, outer_grid

LEAST_EXPONENT, LARGEST_EXPONENT = 0.3, 6.0
N_EXPONENTS, N_RATES = 24, 40


class Avrami(Law):
    """Growth from zero to a plateau; shape: rate K in 1/ps and exponent n."""

    name = "avrami"
    equation = "y = y_end (1 - exp(-(K t)^n))"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return plateau, rate, exponent."""
        return f"plateau_{unit}", "avrami_rate_per_ps", "avrami_exponent"

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return rates that the series resolves, with every exponent."""
        lower, upper = self.bounds(time_ps)
        return outer_grid(
            np.geomspace(lower[1], upper[1], N_RATES),
            np.geomspace(LEAST_EXPONENT, LARGEST_EXPONENT, N_EXPONENTS),
        )

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return the transformed fraction."""
        return -np.expm1(-((shapes[:, :1] * time_ps) ** shapes[:, 1:]))[..., None]

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y_end (1 - exp(-(K t)^n))."""
        plateau, rate, exponent = (parameters[..., i, None] for i in range(3))
        return -plateau * np.expm1(-((rate * time_ps) ** exponent))

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return positive plateaus, and rates that reach a fifth of the plateau or more."""
        return (
            np.array([0.0, 0.2 / time_ps[-1], LEAST_EXPONENT]),
            np.array([np.inf, 100.0 / time_ps[-1], LARGEST_EXPONENT]),
        )
