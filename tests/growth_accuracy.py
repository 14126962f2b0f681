"""Series of known growth laws: coverage of the intervals of their parameters, and independent samples."""

from typing import NamedTuple

import numpy as np

from correlated_series import correlated_noise
from interphase_flows.analysis.growth.laws.avrami import Avrami
from interphase_flows.analysis.growth.laws.constant import Constant
from interphase_flows.analysis.growth.laws.law import Law
from interphase_flows.analysis.growth.laws.linear import Linear
from interphase_flows.analysis.growth.laws.linear_then_parabolic import LinearThenParabolic
from interphase_flows.analysis.growth.laws.logarithmic import Logarithmic
from interphase_flows.analysis.growth.laws.parabolic import Parabolic
from interphase_flows.analysis.growth.laws.power import Power
from interphase_flows.analysis.growth.least_squares import fit_law, fit_many
from interphase_flows.analysis.statistics.block_bootstrap import resampled_noise

LENGTH_PS = 100.0


class Series(NamedTuple):
    """Kind of series over 100 ps."""

    law: Law
    parameters: tuple[float, ...]
    correlation: float
    """Of the noise of neighbouring frames."""
    size: float = 0.05
    n_frames: int = 300

    @property
    def time_ps(self) -> np.ndarray:
        return np.linspace(0.0, LENGTH_PS, self.n_frames)

    def drawn(self, n_series: int, seed: int) -> np.ndarray:
        """Return series, (n_series, n_frames)."""
        noise = correlated_noise(n_series, seed, size=self.size, correlation=self.correlation, n_frames=self.n_frames)
        return self.law.curve(self.time_ps, np.array(self.parameters)) + noise


KINDS = {
    "constant": Series(Constant(), (4.0,), 0.8),
    "linear, white noise": Series(Linear(), (1.0, 0.05), 0.0),
    "linear": Series(Linear(), (1.0, 0.05), 0.8),
    "parabolic": Series(Parabolic(), (1.0, 0.3), 0.6),
    "parabolic, slow noise": Series(Parabolic(), (1.0, 0.3), 0.9, n_frames=600),
    "two stages": Series(LinearThenParabolic(), (0.5, 0.12, 30.0, 0.2), 0.6),
    "two stages, crossover at 1 %": Series(LinearThenParabolic(), (0.5, 3.0, 1.0, 0.5), 0.5, n_frames=600),
    "two stages, crossover at 80 %": Series(LinearThenParabolic(), (0.5, 0.12, 80.0, 0.2), 0.6),
    "logarithmic": Series(Logarithmic(), (1.0, 1.0, 3.0), 0.6),
    "power": Series(Power(), (1.0, 5.0, 0.7), 0.6),
    "avrami": Series(Avrami(), (5.0, 0.03, 2.2), 0.6),
    "avrami of a fraction": Series(Avrami(), (0.8, 0.05, 1.5), 0.8, size=0.01, n_frames=600),
}
"""Twelve kinds of series, by name."""


def coverage(kind: Series, n_series: int, seed: int, n_resamples: int = 200) -> np.ndarray:
    """Return the fraction of series whose 95 % interval contains the true value, by parameter."""
    random = np.random.default_rng(seed)
    hits = np.zeros(len(kind.parameters))
    for series in kind.drawn(n_series, seed + 1):
        fit = fit_law(kind.law, kind.time_ps, series)
        noise = resampled_noise(fit.residuals, len(kind.parameters), n_resamples, random)
        again = fit_many(kind.law, kind.time_ps, kind.law.curve(kind.time_ps, fit.parameters) + noise, fit.parameters)
        lower, upper = np.percentile(again, [2.5, 97.5], axis=0)
        hits += (lower <= kind.parameters) & (kind.parameters <= upper)
    return hits / n_series
