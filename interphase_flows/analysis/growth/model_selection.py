"""Which law the data choose: Bayesian information on independent samples, and when it does not decide.

BIC = n' ln(S / n) + (p + 1) ln n', with S the squared residuals of n frames and n' = n / g the independent
samples they are worth (Schwarz, Ann. Statist. 6, 461 (1978)). With n instead of n', correlated noise looks
like structure and every law splits in two. g is that of the residuals of the closest curve.

The law with the lowest BIC is chosen, if no law with as few or fewer parameters is within `DECISIVE` of it.
A more complicated one never is a rival: it can always imitate a simpler one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.growth.least_squares import LawFit
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency

DECISIVE = 6.0
"""Difference of BIC that is strong evidence: Kass and Raftery, J. Am. Stat. Assoc. 90, 773 (1995)."""
NUMERICAL_NOISE = 1e-9
"""Of the values' size: residuals below it are rounding."""


@dataclass(frozen=True)
class LawScore:
    """How well one law fits, and at what price."""

    law: str
    n_parameters: int
    bic: float
    aic: float
    parameters: Mapping[str, float]
    """Best values; their intervals are with the chosen law."""


def scores_of(fits: Sequence[LawFit], unit: str, size: float) -> tuple[list[LawScore], float]:
    """Return the laws by rising BIC, and the statistical inefficiency g in frames.

    Parameters
    ----------
    fits
        Fits of the same series.
    unit
        Unit of the values, for names.
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
                parameters=dict(
                    zip(fit.law.parameter_names(unit), np.asarray(fit.parameters).tolist(), strict=True)
                ),
            )
        )
    return sorted(scores, key=lambda score: score.bic), g


def rivals_of_the_best(scores: Sequence[LawScore]) -> list[str]:
    """Return the laws that the data cannot tell from the best one, by rising BIC; the best one is first."""
    best = scores[0]
    return [best.law] + [
        score.law
        for score in scores[1:]
        if score.bic - best.bic < DECISIVE and score.n_parameters <= best.n_parameters
    ]
