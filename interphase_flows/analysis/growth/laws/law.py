"""What a growth law is: a curve, linear in some of its numbers once the others are given.

Given its shape (a crossover time, an exponent), a law is a sum of known columns times free amplitudes, and
least squares has a closed form. So a search over a grid of shapes finds the global minimum, of a thousand
resampled series at once: variable projection, Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray


class Law(ABC):
    """A curve y(t); t in ps since the two sides touched, y a thickness in Å or a fraction.

    Subclasses are stateless. Shapes: G grid points, n frames, p parameters, q of them in the shape, m
    amplitudes; `...` is any number of series.
    """

    name: ClassVar[str]
    equation: ClassVar[str]

    @abstractmethod
    def parameter_names(self, unit: str) -> tuple[str, ...]:
        """Return the names of the parameters, with units; `unit` is that of y."""

    @abstractmethod
    def shapes(self, time_ps: FloatArray) -> FloatArray:
        """Return the grid of shapes to try, (G, q)."""

    @abstractmethod
    def columns(self, time_ps: FloatArray, shapes: FloatArray) -> FloatArray:
        """Return what the amplitudes multiply, (G, n, m)."""

    @abstractmethod
    def parameters(self, amplitudes: FloatArray, shapes: FloatArray) -> FloatArray:
        """Turn amplitudes (..., m) and shapes (..., q) into parameters (..., p)."""

    @abstractmethod
    def curve(self, time_ps: FloatArray, parameters: FloatArray) -> FloatArray:
        """Return y, (..., n), for parameters (..., p)."""

    @abstractmethod
    def bounds(self, time_ps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest value of each parameter, two of (p,)."""

    def allowed(self, parameters: FloatArray) -> BoolArray:
        """Return which parameters (..., p) mean what the law says, (...,)."""
        return np.asarray(np.isfinite(parameters).all(axis=-1))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.parameter_names(""))


def no_shape() -> FloatArray:
    """Return the grid of a law that is linear in all its parameters."""
    return np.zeros((1, 0))


def outer_grid(*axes: NDArray[np.floating]) -> FloatArray:
    """Return every combination of the axes' values, (G, q)."""
    return np.stack([mesh.ravel() for mesh in np.meshgrid(*axes, indexing="ij")], axis=-1)
