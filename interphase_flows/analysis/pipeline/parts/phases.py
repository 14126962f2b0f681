"""Part ``phases``: which anions and phases form, where, how ordered, and whether a network crosses."""

from collections.abc import Sequence

from interphase_flows.analysis.phases.phases import analyse_phases
from interphase_flows.analysis.phases.replica_average import average_phases
from interphase_flows.analysis.phases.results import PhasesAverage, PhasesResult
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis


class PhasesPart:
    """Identify anions and phases."""

    version = 1
    result = PhasesResult
    average_result = PhasesAverage

    def analyse(self, context: AnalysisContext) -> PhasesResult:
        """Return what formed; maps and series go to the arrays."""
        result, arrays = analyse_phases(
            context.frames,
            context.settings,
            context.interfaces,
            context.references,
            context.cutoffs,
            context.settings.anions,
        )
        context.arrays |= arrays
        return result

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> PhasesAverage:
        """Average over replicas."""
        return average_phases([each.result("phases", PhasesResult) for each in replicas])
