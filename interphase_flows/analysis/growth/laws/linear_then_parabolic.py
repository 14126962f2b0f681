"""Two-stage growth, limited by the reaction until t_c and by diffusion through the layer afterwards; y is continuous.

y = y0 + v t up to t_c, y² = y_c² + k (t - t_c) after it, with y_c = y0 + v t_c. The second stage must not begin faster
than the first one ends.
"""

import numpy as np

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.growth.laws.law import Law, outer_grid

N_CROSSOVERS = 37
N_EARLY_CROSSOVERS = 14
N_LAYER_TIMES = 16
LEAST_POINTS_OF_A_STAGE = 3


class LinearThenParabolic(Law):
    """A fast stage and a slow one; shape: crossover t_c and layer time y_c²/k, in ps."""

    name = "linear_then_parabolic"
    equation = "y = y0 + v t for t < t_c, y² = (y0 + v t_c)² + k (t - t_c) after"

    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return start, rate, crossover and parabolic constant."""
        return (
            f"initial_{unit}",
            f"rate_{unit}_per_ps",
            "crossover_ps",
            f"parabolic_constant_{unit}2_per_ps",
        )

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return crossovers evenly over the series and denser at its beginning, layer times over six decades."""
        lower, upper = self.bounds(time_ps)
        length = time_ps[-1] - time_ps[0]
        evenly = np.linspace(lower[2], upper[2], N_CROSSOVERS)
        early = np.geomspace(lower[2], evenly[2], N_EARLY_CROSSOVERS)
        return outer_grid(np.union1d(early, evenly), np.geomspace(1e-3, 1e3, N_LAYER_TIMES) * length)

    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return the columns of v and of the root of k."""
        since = time_ps - shapes[:, :1]
        return np.stack([np.minimum(since, 0.0), np.sqrt(np.maximum(since, 0.0) + shapes[:, 1:])], axis=-1)

    def parameters(self, amplitudes: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return y0, v, t_c and k."""
        rate = amplitudes[..., 0]
        root_k = np.where(amplitudes[..., 1] > 0, amplitudes[..., 1], np.nan)
        crossover, layer_time = shapes[..., 0], shapes[..., 1]
        start = root_k * np.sqrt(layer_time) - rate * crossover
        return np.stack(np.broadcast_arrays(start, rate, crossover, root_k**2), axis=-1)

    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return the two stages joined at t_c."""
        start, rate, crossover, k = (parameters[..., i, None] for i in range(4))
        at_crossover = start + rate * crossover
        since = time_ps - crossover
        slow = np.sqrt(at_crossover**2 + k * np.maximum(since, 0.0))
        return np.where(since < 0, at_crossover + rate * since, slow)

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return positive rates and a crossover inside the series."""
        return (
            np.array([-np.inf, 0.0, time_ps[LEAST_POINTS_OF_A_STAGE - 1], 0.0]),
            np.array([np.inf, np.inf, time_ps[-LEAST_POINTS_OF_A_STAGE], np.inf]),
        )

    def search_limits(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return limits including k = 0: a plateau is no second stage of growth."""
        return self.bounds(time_ps)

    def allowed(self, parameters: FloatArray) -> BoolArray:
        """Return where both stages grow from a positive thickness, and the second does not begin faster."""
        start, rate, crossover, k = (parameters[..., i] for i in range(4))
        at_crossover = start + rate * crossover
        return super().allowed(parameters) & (rate > 0) & (k > 0) & (k <= 2 * rate * at_crossover)
