"""No growth: y = y0."""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law, no_shape


class Constant(Law):
    """Nothing changes but by noise."""

    name = "constant"
    equation = "y = y0"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return the level."""
        return (f"level_{unit}",)

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return one empty shape."""
        return no_shape()

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return ones."""
        return np.ones((1, len(time_ps), 1))

    def parameters(self, amplitudes: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return the level."""
        return amplitudes

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return the level at every time."""
        return parameters[..., :1] + np.zeros_like(time_ps)

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return none."""
        return np.array([-np.inf]), np.array([np.inf])
