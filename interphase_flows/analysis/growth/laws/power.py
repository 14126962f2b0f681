"""Growth as a power of time: y = y0 + c (t / t_end)^n, with the gain c until the end of the series.

n = 1/2 from y0 = 0 is parabolic growth, n = 1/3 coarsening. The exponent depends on the choice of t = 0.
"""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law

LEAST_EXPONENT, LARGEST_EXPONENT = 0.05, 5.0
N_EXPONENTS = 60


class Power(Law):
    """Growth without a time scale; shape: the exponent."""

    name = "power"
    equation = "y = y0 + c (t / t_end)^n"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return start, gain until the end, exponent."""
        return f"initial_{unit}", f"gain_until_end_{unit}", "exponent"

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return exponents from far below 1/3 to far above 1."""
        return np.geomspace(LEAST_EXPONENT, LARGEST_EXPONENT, N_EXPONENTS)[:, None]

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return 1 and the power."""
        rising = (time_ps / time_ps[-1]) ** shapes
        return np.stack([np.ones_like(rising), rising], axis=-1)

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y0 + c (t / t_end)^n."""
        start, gain, exponent = (parameters[..., i, None] for i in range(3))
        return start + gain * (time_ps / time_ps[-1]) ** exponent

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the range of the exponent."""
        return np.array([-np.inf, -np.inf, LEAST_EXPONENT]), np.array([np.inf, np.inf, LARGEST_EXPONENT])
