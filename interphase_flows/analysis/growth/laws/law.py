"""Base class of growth laws: separable models, linear in their amplitudes for given shape parameters.

For a given shape (a crossover time, an exponent), a law is a sum of columns times amplitudes, and least squares has a
closed form. A search over a grid of shapes therefore finds the global minimum, for many resampled series together:
variable projection, Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray


class Law(ABC):
    """A curve y(t); t in ps since the contact of the two sides, y a thickness in Å or a fraction.

    Subclasses are stateless. Array shapes: G grid points, n frames, p parameters, q shape parameters, m amplitudes; `...`
    is any number of series. By default a law has no shape parameters and no bounds, and its parameters are the amplitudes
    followed by the shape parameters.
    """

    name: ClassVar[str]
    equation: ClassVar[str]

    @abstractmethod
    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return the names of the parameters, with units; `unit` is that of y."""

    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return the grid of shapes, (G, q)."""
        return np.zeros((1, 0))

    @abstractmethod
    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return the columns that the amplitudes multiply, (G, n, m)."""

    def parameters(self, amplitudes: FloatArray, shapes: FloatArray) -> FloatArray:
        """Convert amplitudes (..., m) and shapes (..., q) to parameters (..., p)."""
        shapes = np.broadcast_to(shapes, (*amplitudes.shape[:-1], shapes.shape[-1]))
        return np.concatenate([amplitudes, shapes], axis=-1)

    @abstractmethod
    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y, (..., n), for parameters (..., p)."""

    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the smallest and the largest value of each parameter, (p,) each."""
        return np.full(self.n_parameters, -np.inf), np.full(self.n_parameters, np.inf)

    def search_limits(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the bounds that are limits of the search, infinite where there is none; zero is one of physics."""
        lower, upper = self.bounds(time_ps)
        return np.where(lower == 0, -np.inf, lower), np.where(upper == 0, np.inf, upper)

    def allowed(self, parameters: FloatArray) -> BoolArray:
        """Return which parameters (..., p) are physically meaningful, (...,)."""
        return np.asarray(np.isfinite(parameters).all(axis=-1))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.parameter_names(""))


def outer_grid(*axes: NDArray[np.floating]) -> FloatArray:
    """Return every combination of the axes' values, (G, q)."""
    return np.stack([mesh.ravel() for mesh in np.meshgrid(*axes, indexing="ij")], axis=-1)
