"""No growth: y = y0."""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law


class Constant(Law):
    """No change except noise."""

    name = "constant"
    equation = "y = y0"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return the level."""
        return (f"level_{unit}",)

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return ones."""
        return np.ones((1, len(time_ps), 1))

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return the level at every time."""
        return parameters[..., :1] + np.zeros_like(time_ps)
