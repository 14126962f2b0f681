"""Part ``verdict``: whether each interphase grows, has passivated, ran out of a side, or cannot be judged yet."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import passed_of
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.passivation.verdict import State, Verdict, verdict
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Unavailable
from interphase_flows.exceptions import AnalysisError


class VerdictPart:
    """Judge whether growth has stopped."""

    version = 1
    result = VerdictResult
    average_result = VerdictResult

    def analyse(self, context: AnalysisContext) -> VerdictResult:
        """Judge each interface of one trajectory."""
        sides = dict(context.by_interface(lambda each: _judged(context, each)))
        return VerdictResult(state=cell_state(sides.values()), sides=sides)

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> VerdictResult:
        """Judge each interface over all replicas in which it can be followed."""
        sides: dict[str, Verdict | Unavailable] = {}
        for side in ("above", "below"):
            histories = [each.histories[side] for each in replicas if side in each.histories]
            if histories:
                try:
                    sides[side] = verdict_with_rates(histories)
                except AnalysisError as error:
                    sides[side] = Unavailable.from_error(error)
        if not sides:
            raise AnalysisError("no replica has an interface whose boundaries can be followed")
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

    Raises
    ------
    AnalysisError
        As `passivation.verdict.verdict`.
    """
    judged = verdict(histories)
    return judged if judged.windows_ps is None else replace(judged, rates=rate_history(histories, judged))


def cell_state(verdicts: Iterable[Verdict | Unavailable]) -> State:
    """Return the verdict of a cell: one interface that ran out of a side or grows decides."""
    states = ["undecided" if isinstance(each, Unavailable) else each.state for each in verdicts]
    for state in ("depleted", "growing"):
        if state in states:
            return state
    return "passivated" if states and set(states) == {"passivated"} else "undecided"
