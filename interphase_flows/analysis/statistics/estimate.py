"""Numbers with confidence intervals, and the field types that store them.

`Estimate` is the only class for a number with an uncertainty; its fields are scalars or arrays of one shape. `Number`
and `Array` are for fields of results that may be NaN: stored documents hold null instead, because JSON has no NaN.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer
from scipy.special import ndtri

from interphase_flows.exceptions import AnalysisError

CONFIDENCE = 0.95
"""Confidence of every interval, two-sided, unless it states another one."""


def _to_json(value: Any) -> Any:
    """Return nested lists of numbers, with None for non-finite ones."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.ndim == 0:
        return array.item() if np.isfinite(array) else None
    return [_to_json(each) for each in array]


def _from_json(value: Any) -> Any:
    """Return a float or a float array, with NaN for None."""
    try:
        array = np.array(value, dtype=float)
    except TypeError as error:
        raise ValueError(f"not a number or nested lists of numbers: {error}") from error  # pydantic reports this type
    return float(array) if array.ndim == 0 else array


Number = Annotated[float, BeforeValidator(_from_json), PlainSerializer(_to_json, return_type=float | None)]
"""A float that may be NaN or infinite; null in documents, NaN when it is read back."""
Array = Annotated[NDArray[np.float64], BeforeValidator(_from_json), PlainSerializer(_to_json, return_type=list)]
"""A float array; nested lists in documents, with null for NaN."""
_Values = Annotated[Any, BeforeValidator(_from_json), PlainSerializer(_to_json)]
_OptionalValues = Annotated[
    Any,
    BeforeValidator(lambda value: None if value is None else _from_json(value)),
    PlainSerializer(_to_json),
]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity with its confidence interval, in the unit of the field that holds it.

    Parameters
    ----------
    value, lower, upper
        Estimate and bounds of the interval, scalars or arrays of one shape; NaN bounds if the data give none.
    confidence
        Probability that the interval covers the true value.
    n_independent
        Number of independent samples behind the estimate, where it is known.
    standard_error
        Standard error if the interval is not symmetric; by default that of the normal distribution with this interval.
    """

    value: _Values
    lower: _Values
    upper: _Values
    confidence: float = CONFIDENCE
    n_independent: _OptionalValues = None
    standard_error: _OptionalValues = None

    def __post_init__(self) -> None:
        if self.standard_error is None:
            with np.errstate(invalid="ignore"):
                width = np.asarray(self.upper) - self.lower
            object.__setattr__(self, "standard_error", width / (2.0 * normal_quantile(self.confidence)))

    @classmethod
    def symmetric(
        cls,
        value: Any,
        standard_error: Any,
        *,
        quantile: float | None = None,
        confidence: float = CONFIDENCE,
        n_independent: Any = None,
    ) -> "Estimate":
        """Return value -+ quantile x standard error; the quantile is the normal distribution's by default."""
        half = (normal_quantile(confidence) if quantile is None else quantile) * standard_error
        return cls(value, value - half, value + half, confidence, n_independent, standard_error)

    @classmethod
    def unknown(cls, value: Any) -> "Estimate":
        """Return a value without an interval."""
        missing = np.full(np.shape(value), np.nan)[()]
        return cls(value, missing, missing)

    @property
    def is_known(self) -> bool:
        """Whether value and interval are finite."""
        return bool(np.isfinite([self.value, self.lower, self.upper]).all())

    @property
    def largest_magnitude(self) -> float:
        """Largest absolute value in the interval."""
        return max(abs(self.lower), abs(self.upper))

    def scaled(self, factor: float | NDArray[np.number]) -> "Estimate":
        """Return the quantity times a positive number or array, such as for another unit."""
        value, lower, upper, error = (
            each * factor for each in (self.value, self.lower, self.upper, self.standard_error)
        )
        return Estimate(value, lower, upper, self.confidence, self.n_independent, error)

    def clipped(self, low: float, high: float) -> "Estimate":
        """Return the same with bounds cut at the limits of the quantity; NaN bounds stay NaN."""
        lower, upper = np.maximum(self.lower, low)[()], np.minimum(self.upper, high)[()]
        return replace(self, lower=lower, upper=upper)

    def __getitem__(self, index: Any) -> "Estimate":
        """Return some of the numbers, by NumPy's indices; `n_independent` of all numbers is dropped."""
        value, lower, upper, error = (
            np.asarray(each)[index] for each in (self.value, self.lower, self.upper, self.standard_error)
        )
        return Estimate(value, lower, upper, self.confidence, standard_error=error)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Estimate):
            return NotImplemented
        return all(
            np.array_equal(
                np.asarray(getattr(self, name), dtype=float),
                np.asarray(getattr(other, name), dtype=float),
                True,
            )
            for name in ("value", "lower", "upper", "confidence", "n_independent")
        )

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.lower:.3g}, {self.upper:.3g}]"


def normal_quantile(confidence: float) -> float:
    """Return z such that value -+ z standard errors has the confidence.

    Raises
    ------
    AnalysisError
        The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise AnalysisError(f"confidence = {confidence}: give a probability between 0 and 1, such as 0.95")
    return float(ndtri(0.5 + 0.5 * confidence))
