"""Part ``growth``: the law by which the thickness of each interphase grows."""

from collections.abc import Sequence

from interphase_flows.analysis.growth.kinetics import LEAST_FRAMES, GrowthKinetics, thickness_kinetics
from interphase_flows.analysis.growth.replicas import AverageKinetics, average_kinetics
from interphase_flows.analysis.growth.results import GrowthAverage, GrowthResult
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS
from interphase_flows.exceptions import AnalysisError


class GrowthPart:
    """Choose a growth law for each interface."""

    version = 1
    result = GrowthResult
    average_result = GrowthAverage

    def analyse(self, context: AnalysisContext) -> GrowthResult:
        """Return the law of each interface, or why none can be chosen."""
        return GrowthResult(sides=dict(context.by_interface(_growth)))

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> GrowthAverage:
        """Choose the law of each interface over all replicas that have one."""
        laws = [each.result("growth", GrowthResult) for each in replicas]
        sides: dict[str, AverageKinetics | Unavailable] = {}
        notes: list[str] = []
        for side in ("above", "below"):
            found = [each.sides.get(side) for each in laws if isinstance(each, GrowthResult)]
            fitted = [each for each in found if isinstance(each, GrowthKinetics)]
            if not any(found):
                continue
            if len(fitted) < LEAST_REPLICAS:
                notes.append(
                    f"{side}: {len(fitted)} replicas have a growth law; an average needs {LEAST_REPLICAS}"
                )
                continue
            try:
                sides[side] = average_kinetics(fitted)
            except AnalysisError as error:
                sides[side] = Unavailable.from_error(error)
        return GrowthAverage(sides=sides, notes=notes)


def _growth(each: Interface) -> GrowthKinetics:
    known = each.is_found
    if known.sum() < LEAST_FRAMES:
        raise AnalysisError(
            f"{known.sum()} frames with boundaries; a growth law needs at least {LEAST_FRAMES}, and the choice among "
            "seven laws more. Hint: run longer, or write frames more often"
        )
    return thickness_kinetics(
        each.time_ps[known],
        each.thickness_angstrom[known],
        reservoirs={name: left[known] for name, left in each.reservoirs.items()},
    )
