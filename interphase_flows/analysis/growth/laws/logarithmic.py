"""Growth limited by a barrier that increases with thickness: y = y0 + a ln(1 + t / t0).

The direct logarithmic law of thin films (Cabrera and Mott, Rep. Prog. Phys. 12, 163 (1949), for electric fields across
them). It has no plateau, and over less than a decade of time it is not distinguishable from a power law.
"""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law

N_TIME_SCALES = 40


class Logarithmic(Law):
    """A rate that decreases as 1/t; shape: time scale t0 in ps."""

    name = "logarithmic"
    equation = "y = y0 + a ln(1 + t / t0)"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return start, growth per unit of the logarithm, time scale."""
        return f"initial_{unit}", f"growth_per_e_fold_{unit}", "time_scale_ps"

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return time scales over five decades."""
        lower, upper = self.bounds(time_ps)
        return np.geomspace(lower[2], upper[2], N_TIME_SCALES)[:, None]

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return 1 and the logarithm."""
        rising = np.log1p(time_ps / shapes)
        return np.stack([np.ones_like(rising), rising], axis=-1)

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y0 + a ln(1 + t / t0)."""
        start, growth, scale = (parameters[..., i, None] for i in range(3))
        return start + growth * np.log1p(time_ps / scale)

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return time scales that the series resolves."""
        length = time_ps[-1] - time_ps[0]
        return np.array([-np.inf, -np.inf, 1e-4 * length]), np.array([np.inf, np.inf, 10 * length])
