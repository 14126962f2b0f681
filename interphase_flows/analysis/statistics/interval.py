"""A number and what it may be: the shape of most results of this floor; arrays with errors are `transport.intervals`."""

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
"""Of every interval here, two-sided."""


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval; nan bounds mean that the data give none."""

    value: float
    lower: float
    upper: float

    @property
    def is_known(self) -> bool:
        """Whether the interval is finite."""
        return bool(np.isfinite([self.value, self.lower, self.upper]).all())

    @property
    def upper_bound_of_size(self) -> float:
        """Largest absolute value in the interval."""
        return max(abs(self.lower), abs(self.upper))

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.lower:.4g}, {self.upper:.4g}]"
