"""Statistics of learning curves over seeds, for the benchmarks of labels."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import t as student


def labels_needed(n_labels: Sequence[int], errors: Sequence[float], target: float) -> float:
    """Return the number of labels at which the error first falls to a target, by interpolation; NaN if it does not."""
    if errors[0] <= target:
        return float(n_labels[0])
    for (n0, e0), (n1, e1) in pairwise(zip(n_labels, errors, strict=True)):
        if e1 <= target:
            return n0 + (n1 - n0) * (e0 - target) / (e0 - e1)
    return float("nan")


def with_interval(values: Sequence[float], digits: int = 1) -> str:
    """Format the mean of values with half the width of its 95 % interval."""
    if len(values) < 2:
        return f"{np.mean(values):.{digits}f}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"
