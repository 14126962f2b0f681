"""Growth limited by the reaction: y = y0 + v t."""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law


class Linear(Law):
    """A constant rate, independent of the thickness of the layer."""

    name = "linear"
    equation = "y = y0 + v t"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return start and rate."""
        return f"initial_{unit}", f"rate_{unit}_per_ps"

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return 1 and t."""
        return np.stack([np.ones_like(time_ps), time_ps], axis=-1)[None]

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y0 + v t."""
        return parameters[..., :1] + parameters[..., 1:] * time_ps
