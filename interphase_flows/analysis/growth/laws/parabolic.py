"""Growth limited by diffusion through the layer: y² = y0² + k t.

From dy/dt = k / 2y (Wagner, Z. Phys. Chem. B 21, 25 (1933); Deal and Grove, J. Appl. Phys. 36, 3770 (1965)). y must be
the thickness of the layer through which diffusion occurs, without an offset by the definition of the boundaries.
"""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law

N_LAYER_TIMES = 30


class Parabolic(Law):
    """A rate that decreases as 1/y; shape: layer time y0²/k in ps."""

    name = "parabolic"
    equation = "y² = y0² + k t"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return start and parabolic constant."""
        return f"initial_{unit}", f"parabolic_constant_{unit}2_per_ps"

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return layer times from zero to a hundred times the length of the series."""
        length = time_ps[-1] - time_ps[0]
        return np.concatenate([[0.0], np.geomspace(1e-4, 1e2, N_LAYER_TIMES) * length])[:, None]

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return the root of t + y0²/k."""
        return np.sqrt(time_ps + shapes)[..., None]

    def parameters(self, amplitudes: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return y0 and k, NaN for negative amplitudes."""
        root_k = np.where(amplitudes > 0, amplitudes, np.nan)
        return np.concatenate([root_k * np.sqrt(shapes), root_k**2], axis=-1)

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return the root of y0² + k t."""
        return np.sqrt(parameters[..., :1] ** 2 + parameters[..., 1:] * time_ps)

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return nonnegative parameters."""
        return np.zeros(2), np.full(2, np.inf)
