"""Numbers with their intervals.

Each number comes with its standard error and an interval that covers the truth with the stated confidence.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class Estimate:
    """An estimated quantity, all fields of one shape and in the unit of the field that holds it."""

    value: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray

    def scaled(self, factor: float) -> "Estimate":
        """Return the quantity times a positive number: another unit."""
        return Estimate(
            self.value * factor, self.standard_error * factor, self.lower * factor, self.upper * factor
        )

    def __getitem__(self, index: Any) -> "Estimate":
        """Return some of the numbers, by numpy's indices."""
        return Estimate(
            np.asarray(self.value)[index],
            np.asarray(self.standard_error)[index],
            np.asarray(self.lower)[index],
            np.asarray(self.upper)[index],
        )


def normal_quantile(confidence: float) -> float:
    """Return z such that value -+ z standard errors has the confidence.

    Raises
    ------
    AnalysisError
        The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise AnalysisError(f"confidence = {confidence}: give a probability between 0 and 1, such as 0.95")
    return float(stats.norm.ppf(0.5 + 0.5 * confidence))


def symmetric(value: FloatArray, standard_error: FloatArray, quantile: float) -> Estimate:
    """Return value -+ quantile x standard error."""
    half = quantile * standard_error
    return Estimate(np.asarray(value), np.asarray(standard_error), value - half, value + half)
