"""What replicas say together about growth: the law by their summed BIC, the numbers by their spread.

Each replica has its own parameters, because crystallisation is stochastic: nuclei appear at other times in
each. The interval of a number is mean ± t s / sqrt(R), with s the spread between R replicas and t Student's
quantile for R - 1. It holds what the noise within a trajectory does, and what differs between trajectories;
a block bootstrap of one trajectory holds the first alone.
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
    """What several replicas say about growth."""

    decision: str
    """Name of the law, or ``undecided``."""
    reason: str
    parameters: Mapping[str, Mapping[str, Estimate]]
    """By law (the chosen one, or all that cannot be told apart), then by name with units."""
    scores: tuple[LawScore, ...]
    """Every law that fits all replicas, by rising summed BIC; parameters are means."""
    decisions: tuple[str, ...]
    """Of each replica by itself."""
    n_replicas: int


def average_kinetics(replicas: Sequence[GrowthKinetics]) -> AverageKinetics:
    """Pool the kinetics of replicas, analysed with the same laws.

    Raises
    ------
    AnalysisError
        There are fewer than three replicas, one has no fit, or they have no law in common.
    """
    if len(replicas) < LEAST_REPLICAS:
        raise AnalysisError(
            f"{len(replicas)} replicas have no spread worth an interval; run {LEAST_REPLICAS} that differ by "
            "their seed, or report each by itself"
        )
    if unfitted := [i for i, each in enumerate(replicas) if not each.scores]:
        raise AnalysisError(
            f"replicas {unfitted} have no fit ({replicas[unfitted[0]].reason}); leave them out, in words"
        )
    by_law = [{score.law: score for score in each.scores} for each in replicas]
    common = [law for law in by_law[0] if all(law in each for each in by_law)]
    if not common:
        raise AnalysisError("the replicas have no law in common; analyse all with the same laws")
    scores = sorted((_summed([each[law] for each in by_law]) for law in common), key=lambda s: s.bic)
    names = rivals_of_the_best(scores)
    independent = sum(each.n_independent for each in replicas)
    decision, reason = names[0], f"every other law as simple is worse by more than {DECISIVE:g} in summed BIC"
    if independent < LEAST_INDEPENDENT:
        decision = UNDECIDED
        reason = (
            f"the frames of all replicas are worth {independent:.0f} independent samples, and {LEAST_INDEPENDENT:.0f} "
            "are needed"
        )
    elif len(names) > 1:
        decision, reason = UNDECIDED, f"{', '.join(names)} are within {DECISIVE:g} in summed BIC"
    elif decision == Constant.name and any(each.decision != Constant.name for each in replicas):
        decision, reason = UNDECIDED, "no growth is seen, but not every replica excludes it"
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
            name: float(np.mean([score.parameters[name] for score in scores]))
            for name in scores[0].parameters
        },
    )
