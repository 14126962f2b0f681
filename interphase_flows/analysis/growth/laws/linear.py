"""Growth limited by the reaction: y = y0 + v t."""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law, no_shape


class Linear(Law):
    """A constant rate, whatever the layer's thickness."""

    name = "linear"
    equation = "y = y0 + v t"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return start and rate."""
        return f"initial_{unit}", f"rate_{unit}_per_ps"

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return one empty shape."""
        return no_shape()

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return 1 and t."""
        return np.stack([np.ones_like(time_ps), time_ps], axis=-1)[None]

    def parameters(self, amplitudes: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return start and rate."""
        return amplitudes

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y0 + v t."""
        return parameters[..., :1] + parameters[..., 1:] * time_ps

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return none."""
        return np.full(2, -np.inf), np.full(2, np.inf)
