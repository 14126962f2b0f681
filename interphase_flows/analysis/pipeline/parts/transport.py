"""Part ``transport``: Onsager coefficients of the cell, against time, and slab by slab."""

from collections.abc import Sequence

from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.interface_transport import analyse_transport
from interphase_flows.analysis.transport.replica_average import average_transport
from interphase_flows.analysis.transport.summary import TransportAverage, TransportResult


class TransportPart:
    """Measure how ions move."""

    version = 1
    result = TransportResult
    average_result = TransportAverage

    def analyse(self, context: AnalysisContext) -> TransportResult:
        """Return the coefficients that the trajectory supports."""
        boundaries = context.results.get("boundaries")
        why = str(boundaries) if isinstance(boundaries, Unavailable) else ""
        return analyse_transport(
            context.frames, context.settings, context.settings.transport, context.interfaces, why
        )

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> TransportAverage:
        """Average the coefficients of the entire cell."""
        return average_transport([each.result("transport", TransportResult) for each in replicas])
