"""Parts ``growth`` and ``verdict``: growth laws, and whether growth has stopped."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from interphase_flows.analysis.growth.kinetics import LEAST_FRAMES, GrowthKinetics, thickness_kinetics
from interphase_flows.analysis.growth.replicas import AverageKinetics, average_kinetics
from interphase_flows.analysis.growth.results import GrowthAverage, GrowthResult
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import passed_of
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.passivation.verdict import State, Verdict, verdict
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.registry import AnalysisPart
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS
from interphase_flows.exceptions import AnalysisError


class GrowthPart(AnalysisPart):
    """Select a growth law for each interface."""

    version = 4
    result = GrowthResult
    average_result = GrowthAverage

    def analyse(self, context: AnalysisContext) -> GrowthResult:
        """Return the law of each interface, or why it is unavailable."""
        return GrowthResult(sides=dict(context.by_interface(_growth)))

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> GrowthAverage:
        """Select the law of each interface over all replicas that have one."""
        laws = [each.result("growth", GrowthResult) for each in replicas]
        sides: dict[str, AverageKinetics | Unavailable] = {}
        notes: list[str] = []
        for side in ("above", "below"):
            found = [each.sides.get(side) for each in laws if isinstance(each, GrowthResult)]
            fitted = [each for each in found if isinstance(each, GrowthKinetics)]
            if not any(found):
                continue
            if len(fitted) < LEAST_REPLICAS:
                notes.append(f"{side}: {len(fitted)} replicas have a growth law; an average needs {LEAST_REPLICAS}")
                continue
            try:
                sides[side] = average_kinetics(fitted)
            except AnalysisError as error:
                sides[side] = Unavailable.from_error(error)
        return GrowthAverage(sides=sides, notes=notes)


def _growth(each: Interface) -> GrowthKinetics:
    n_known = int(each.is_found.sum())
    # frames after the last boundary show the depletion, and are not fitted
    after = np.arange(len(each.is_found)) > np.flatnonzero(each.is_found)[-1]
    if n_known < LEAST_FRAMES:
        hint = "write frames more often" if after.any() else "run longer, or write frames more often"
        raise AnalysisError(
            f"{n_known} frames with boundaries; a growth law needs at least {LEAST_FRAMES}, and the selection "
            f"among seven laws more. Hint: {hint}"
        )
    usable = each.is_found | after
    return thickness_kinetics(
        each.time_ps[usable],
        each.thickness_angstrom[usable],
        reservoirs={name: left[usable] for name, left in each.reservoirs.items()},
    )


class VerdictPart(AnalysisPart):
    """Test whether growth has stopped."""

    version = 5
    result = VerdictResult
    average_result = VerdictResult

    def analyse(self, context: AnalysisContext) -> VerdictResult:
        """Return the verdict of each interface of one trajectory."""
        sides = dict(context.by_interface(lambda each: _judged(context, each)))
        return VerdictResult(state=cell_state(sides.values()), sides=sides)

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> VerdictResult:
        """Return the verdict of each interface over all replicas in which it is tracked."""
        judged = [each.result("verdict", VerdictResult) for each in replicas]
        sides: dict[str, Verdict | Unavailable] = {}
        for side in ("above", "below"):
            histories = [each.histories[side] for each in replicas if side in each.histories]
            alone = [each.sides[side] for each in judged if isinstance(each, VerdictResult) and side in each.sides]
            try:
                if histories:
                    sides[side] = verdict_with_rates(histories)
                elif alone:
                    sides[side] = alone[0]
            except AnalysisError as error:
                sides[side] = Unavailable.from_error(error)
        if not sides:
            raise AnalysisError("no replica has an interface with tracked boundaries")
        return VerdictResult(state=cell_state(sides.values()), sides=sides)


def _judged(context: AnalysisContext, each: Interface) -> Verdict:
    counted = context.crossings(each)
    context.histories[each.name] = InterphaseHistory(
        each.time_ps,
        each.thickness_angstrom,
        passed_of(each, counted),
        each.reservoirs,
        area_nm2=float(counted.area_nm2.mean()),
    )
    return verdict_with_rates([context.histories[each.name]])


def verdict_with_rates(histories: Sequence[InterphaseHistory]) -> Verdict:
    """Return the verdict of an interface together with its rates against time.

    Raises AnalysisError as `passivation.verdict.verdict`.
    """
    judged = verdict(histories)
    return judged if judged.windows_ps is None else replace(judged, rates=rate_history(histories, judged))


def cell_state(verdicts: Iterable[Verdict | Unavailable]) -> State:
    """Return the verdict of a cell, which one depleted or growing interface determines."""
    states = ["undecided" if isinstance(each, Unavailable) else each.state for each in verdicts]
    for state in ("depleted", "growing"):
        if state in states:
            return state
    return "passivated" if states and set(states) == {"passivated"} else "undecided"
