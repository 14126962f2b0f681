"""Selection of a growth law by the Bayesian information criterion of independent samples.

BIC = n' ln(S / n) + (p + 1) ln n', with the sum S of squared residuals of n frames, p parameters and n' = n / g
independent samples (Schwarz, Ann. Statist. 6, 461 (1978)). With n instead of n', correlated noise would be
fitted as structure. The statistical inefficiency g is that of the residuals of the best fit.

The law with the lowest BIC is selected if no rival is within `DECISIVE` of it. Laws with more parameters are no rivals
of the laws with up to `MOST_NESTED` parameters, which are special cases of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.growth.least_squares import LawFit
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency

DECISIVE = 6.0
"""Difference of BIC that is strong evidence (Kass and Raftery, J. Am. Stat. Assoc. 90, 773 (1995))."""
MOST_NESTED = 2
"""Number of parameters up to which laws are special cases of larger ones, which can therefore imitate them."""
NUMERICAL_NOISE = 1e-9
"""Relative size of residuals below which they are rounding errors."""


@dataclass(frozen=True)
class LawScore:
    """Information criteria of one law."""

    law: str
    n_parameters: int
    bic: float
    aic: float
    parameters: Mapping[str, float]
    """Best parameters, without intervals."""
    limit: str = ""
    """Message if a parameter reaches a limit of its search range."""


def scores_of(fits: Sequence[LawFit], unit: str, size: float) -> tuple[list[LawScore], float]:
    """Return the laws by increasing BIC, and the statistical inefficiency g in frames.

    Parameters
    ----------
    fits
        Fits of one series.
    unit
        Unit of the values in names of parameters.
    size
        Largest absolute value of the series.
    """
    closest = min(fits, key=lambda fit: fit.squares)
    n = len(closest.residuals)
    rounding = max((NUMERICAL_NOISE * size) ** 2, 1e-300)
    exact = closest.squares / n <= rounding
    g = 1.0 if exact else statistical_inefficiency(closest.residuals, closest.law.n_parameters)
    independent = n / g
    scores = []
    for fit in fits:
        p = fit.law.n_parameters
        misfit = independent * math.log(max(fit.squares / n, rounding))
        scores.append(
            LawScore(
                law=fit.law.name,
                n_parameters=p,
                bic=misfit + (p + 1) * math.log(independent),
                aic=misfit + 2 * (p + 1),
                parameters=dict(zip(fit.law.parameter_names(unit), np.asarray(fit.parameters).tolist(), strict=True)),
            )
        )
    return sorted(scores, key=lambda score: score.bic), g


def rivals_of_the_best(scores: Sequence[LawScore]) -> list[str]:
    """Return the best law and the laws that the data do not distinguish from it, by increasing BIC."""
    best = scores[0]
    most = best.n_parameters if best.n_parameters <= MOST_NESTED else math.inf
    return [best.law] + [
        score.law for score in scores[1:] if score.bic - best.bic < DECISIVE and score.n_parameters <= most
    ]
