"""Gaussian classifier with rejection, calibrated on data left out of the fit.

Quadratic discriminant analysis (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd ed. 2009,
section 4.3) with equal priors. Descriptors are rejected if their Mahalanobis distance from the class exceeds the
1 - alpha quantile of left-out members of that class (split conformal prediction; Vovk et al., *Algorithmic Learning in a
Random World*, 2005).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    groups: Mapping[str, Sequence[NDArray[np.floating]]], *, rejected_share: float = 0.01
) -> GaussianClassifier:
    """Fit one Gaussian to each class.

    Parameters
    ----------
    groups
        Descriptors of each class in two or more independent groups, such as frames or runs, (n, n_features) each.
        Groups are left out in turn to calibrate the rejection.
    rejected_share
        Target fraction of true members that are classified as unknown.

    Raises
    ------
    AnalysisError
        A class has fewer than two groups, or fewer members than twice the features; ``rejected_share`` is not in (0, 1).
    """
    if not 0 < rejected_share < 1 or not groups:
        raise AnalysisError(
            f"rejected_share = {rejected_share} and {len(groups)} classes: a number in (0, 1) and at least one class "
            "are required"
        )
    everything = {name: [np.asarray(g, dtype=float) for g in parts if len(g)] for name, parts in groups.items()}
    for name, parts in everything.items():
        n = sum(len(part) for part in parts)
        if len(parts) < 2 or n < 2 * parts[0].shape[1]:
            raise AnalysisError(
                f"class {name!r} has {n} members in {len(parts)} groups; two groups and twice as many members as "
                "descriptors are required. Hint: use more frames or a larger cell"
            )
    combined = np.concatenate([x for parts in everything.values() for x in parts])
    centre, scale = combined.mean(axis=0), combined.std(axis=0)
    fitted, limits = [], []
    for parts in everything.values():
        scaled = [(x - centre) / scale for x in parts]
        fitted.append(_gaussian(np.concatenate(scaled)))
        left_out = []
        for i, part in enumerate(scaled):
            mean, precision, _ = _gaussian(np.concatenate(scaled[:i] + scaled[i + 1 :]))
            left_out.append(_distances2(part, mean[None], precision[None])[:, 0])
        limits.append(np.quantile(np.concatenate(left_out), 1 - rejected_share, method="higher"))
    means, precisions, log_determinants = (np.array(values) for values in zip(*fitted, strict=True))
    return GaussianClassifier(tuple(everything), centre, scale, means, precisions, log_determinants, np.array(limits))
