"""Gaussian classifier with rejection.

Quadratic discriminant analysis (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd ed. 2009,
section 4.3) with equal priors. Descriptors are rejected if their squared Mahalanobis distance from the class exceeds the
1 - alpha quantile of a new member, d (n² - 1) / (n (n - d)) F(d, n - d) for n members and d descriptors (Hotelling's
prediction region: Johnson and Wichern, *Applied Multivariate Statistical Analysis*, section 5.4), which is close to the
quantile of chi squared. Limits that are calibrated on left-out runs were up to 20 times wider and rejected nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError

UNKNOWN = -1
RIDGE = 0.01
"""Added to the diagonal of covariances of standardised descriptors, as regularisation."""


@dataclass(frozen=True)
class GaussianClassifier:
    """Fitted means, covariances and rejection limits of the classes."""

    names: tuple[str, ...]
    centre: FloatArray
    """(n_features,), subtracted from descriptors."""
    scale: FloatArray
    """(n_features,), divisor of descriptors."""
    means: FloatArray
    """(n_classes, n_features)."""
    precisions: FloatArray
    """(n_classes, n_features, n_features)."""
    log_determinants: FloatArray
    """(n_classes,), of the covariances."""
    largest_distance2: FloatArray
    """(n_classes,): squared Mahalanobis distances beyond which descriptors are rejected."""

    def classify(self, descriptors: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the position in `names` of each descriptor's class, or -1 for unknown, (n,)."""
        x = (np.asarray(descriptors, dtype=float) - self.centre) / self.scale
        distance2 = _distances2(x, self.means, self.precisions)
        best = np.argmin(distance2 + self.log_determinants, axis=1)
        belongs = distance2[np.arange(len(x)), best] <= self.largest_distance2[best]
        return np.where(belongs, best, UNKNOWN)


def _distances2(x: FloatArray, means: FloatArray, precisions: FloatArray) -> FloatArray:
    away = x[None] - means[:, None]
    return np.einsum("cni,cni->nc", away @ precisions, away)


def _gaussian(x: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    covariance = np.asarray(np.cov(x, rowvar=False) + RIDGE * np.eye(x.shape[1]), dtype=np.float64)
    return (
        np.asarray(x.mean(axis=0), dtype=np.float64),
        np.linalg.inv(covariance).astype(np.float64),
        float(np.linalg.slogdet(covariance)[1]),
    )


def fit_gaussians(
    members: Mapping[str, NDArray[np.floating]],
    *,
    rejected_share: float = 0.01,
    widened: Mapping[str, float] | None = None,
) -> GaussianClassifier:
    """Fit one Gaussian to each class.

    Parameters
    ----------
    members
        Descriptors of the members of each class, (n, n_features).
    rejected_share
        Target fraction of true members that are classified as unknown.
    widened
        Factors of the rejection limits of classes that are not Gaussian; 1 by default.

    Raises
    ------
    AnalysisError
        A class has fewer members than twice the features, or ``rejected_share`` is not in (0, 1).
    """
    if not 0 < rejected_share < 1 or not members:
        raise AnalysisError(
            f"rejected_share = {rejected_share} and {len(members)} classes: a number in (0, 1) and at least one class "
            "are required"
        )
    everything = {name: np.asarray(each, dtype=float) for name, each in members.items()}
    for name, each in everything.items():
        if len(each) < 2 * each.shape[1]:
            raise AnalysisError(
                f"class {name!r} has {len(each)} members; twice as many as the {each.shape[1]} descriptors are required. "
                "Hint: use more frames or a larger cell"
            )
    combined = np.concatenate(list(everything.values()))
    centre, scale = combined.mean(axis=0), combined.std(axis=0)
    fitted = [_gaussian((each - centre) / scale) for each in everything.values()]
    limits = [
        (widened or {}).get(name, 1.0) * _prediction_limit(len(each), each.shape[1], rejected_share)
        for name, each in everything.items()
    ]
    means, precisions, log_determinants = (np.array(values) for values in zip(*fitted, strict=True))
    return GaussianClassifier(tuple(everything), centre, scale, means, precisions, log_determinants, np.array(limits))


def _prediction_limit(n: int, d: int, rejected_share: float) -> float:
    """Return the squared Mahalanobis distance that a new member of a class of n exceeds with a probability."""
    return float(d * (n**2 - 1) / (n * (n - d)) * f_distribution.ppf(1 - rejected_share, d, n - d))
