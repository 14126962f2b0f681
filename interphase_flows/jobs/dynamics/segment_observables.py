"""Observables of a segment, as fields of its document."""

from typing import Any

import numpy as np

from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency
from interphase_flows.md.segment import SegmentResult

LEAST_VALUES = 80
"""Smallest number of values with a standard error. If the correlation of neighbours is 0.9, two standard errors from 80
values contain the true mean in 82 % of the series, from 20 values in 55 %."""


def observables(result: SegmentResult, n_equilibration_steps: float) -> dict[str, Any]:
    """Return uncertainties, and mean, standard deviation and standard error of temperature, volume and normal stress.

    Moments are over the evaluations of the committee from ``n_equilibration_steps`` of the run; None without any.
    """
    is_equilibrated = result.evaluation_step >= n_equilibration_steps
    is_known = ~np.isnan(result.uncertainty_eV_per_angstrom)  # one potential alone has no uncertainty
    return {
        "n_temperatures": int(is_equilibrated.sum()),
        **_moments("temperature", "K", result.evaluation_temperature_K, is_equilibrated),
        **_moments("volume", "angstrom3", result.volume_angstrom3, is_equilibrated),
        **_moments("normal_stress", "GPa", result.normal_stress_GPa, is_equilibrated),
        "uncertainty_steps": [int(step) for step in result.evaluation_step[is_known]],
        "uncertainty_eV_per_angstrom": [float(u) for u in result.uncertainty_eV_per_angstrom[is_known]],
    }


def _moments(quantity: str, unit: str, series: np.ndarray, is_equilibrated: np.ndarray) -> dict[str, float | None]:
    """Return mean, standard deviation and standard error of the mean; None without equilibrated values.

    The error accounts for the correlation of the values. It is None for fewer than `LEAST_VALUES`: a short correlated
    series does not show its correlation, and the error would be too small by a factor of up to two.
    """
    values = series[is_equilibrated] if len(series) else series  # at constant volume the cell is not recorded
    mean = std = error = None
    if len(values):
        mean, std = float(values.mean()), float(values.std())
    if len(values) >= LEAST_VALUES:
        error = float(values.std(ddof=1) * np.sqrt(statistical_inefficiency(values) / len(values)))
    return {f"{quantity}_mean_{unit}": mean, f"{quantity}_std_{unit}": std, f"{quantity}_standard_error_{unit}": error}
