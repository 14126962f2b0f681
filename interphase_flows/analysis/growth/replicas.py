"""Growth kinetics over replicas: the law by summed BIC, the parameters by their spread.

Each replica has its own parameters, because nucleation is stochastic. The interval of a parameter is mean ± t s /
sqrt(R), with the standard deviation s between R replicas and Student's quantile t for R - 1 degrees of freedom. It
contains both the noise within trajectories and the differences between them; a block bootstrap of one trajectory
contains only the noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.growth.kinetics import LEAST_INDEPENDENT, UNDECIDED, GrowthKinetics
from interphase_flows.analysis.growth.laws.constant import Constant
from interphase_flows.analysis.growth.model_selection import DECISIVE, LawScore, rivals_of_the_best
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS, between_replicas
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class AverageKinetics:
    """Growth kinetics over replicas."""

    decision: str
    """Name of the law, or ``undecided``."""
    reason: str
    parameters: Mapping[str, Mapping[str, Estimate]]
    """By law (the selected one, or all that are not distinguished), then by name with units."""
    scores: tuple[LawScore, ...]
    """Every law that fits all replicas, by increasing summed BIC; parameters are means."""
    decisions: tuple[str, ...]
    """Decision for each replica."""
    n_replicas: int


def average_kinetics(replicas: Sequence[GrowthKinetics]) -> AverageKinetics:
    """Select the growth law over replicas that were analysed with the same laws.

    Raises
    ------
    AnalysisError
        There are fewer than three replicas, one has no fit, or they have no law in common.
    """
    if len(replicas) < LEAST_REPLICAS:
        raise AnalysisError(
            f"{len(replicas)} replicas give no interval; {LEAST_REPLICAS} that differ in their seed are required. "
            "Hint: run more replicas, or report each one"
        )
    if unfitted := [i for i, each in enumerate(replicas) if not each.scores]:
        raise AnalysisError(f"replicas {unfitted} have no fit ({replicas[unfitted[0]].reason}). Hint: leave them out")
    by_law = [{score.law: score for score in each.scores} for each in replicas]
    common = [law for law in by_law[0] if all(law in each for each in by_law)]
    if not common:
        raise AnalysisError("the replicas have no law in common. Hint: analyse all with the same laws")
    scores = sorted((_summed([each[law] for each in by_law]) for law in common), key=lambda s: s.bic)
    names = rivals_of_the_best(scores)
    independent = sum(each.n_independent for each in replicas)
    decision, reason = names[0], f"every rival is worse by more than {DECISIVE:g} in summed BIC"
    if independent < LEAST_INDEPENDENT:
        decision = UNDECIDED
        reason = f"{independent:.0f} independent samples in all replicas; a choice needs {LEAST_INDEPENDENT:.0f}"
    elif len(names) > 1:
        decision, reason = UNDECIDED, f"{', '.join(names)} are within {DECISIVE:g} in summed BIC"
    elif all(each.decision == UNDECIDED for each in replicas):
        decision, reason = UNDECIDED, f"no replica alone has a law ({replicas[0].reason})"
    elif limit := next((score.limit for each in by_law if (score := each[decision]).limit), ""):
        decision, reason = UNDECIDED, f"in one replica or more, {limit}"
    elif decision == Constant.name and any(each.decision != Constant.name for each in replicas):
        decision, reason = UNDECIDED, "no growth is detected, but not every replica excludes it"
    return AverageKinetics(
        decision=decision,
        reason=reason,
        parameters={
            law: {
                name: between_replicas([each[law].parameters[name] for each in by_law])
                for name in by_law[0][law].parameters
            }
            for law in names
        },
        scores=tuple(scores),
        decisions=tuple(each.decision for each in replicas),
        n_replicas=len(replicas),
    )


def _summed(scores: Sequence[LawScore]) -> LawScore:
    return LawScore(
        law=scores[0].law,
        n_parameters=scores[0].n_parameters,
        bic=sum(score.bic for score in scores),
        aic=sum(score.aic for score in scores),
        parameters={
            name: float(np.mean([score.parameters[name] for score in scores])) for name in scores[0].parameters
        },
    )
