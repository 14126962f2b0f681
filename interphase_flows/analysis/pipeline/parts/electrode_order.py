"""Part ``electrode_order``: share of the electrode that is still a body-centred cubic crystal."""

from collections.abc import Sequence

from interphase_flows.analysis.phases.electrode_order import inner_bcc_fraction
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.exceptions import AnalysisError


class ElectrodeOrderResult(Result):
    """Share of the inner atoms of the electrode in bcc-like surroundings."""

    bcc_fraction_start: Estimate
    bcc_fraction_end: Estimate


class ElectrodeOrderPart:
    """Measure the crystallinity of a bcc electrode in the first and the last frame."""

    version = 1
    result = ElectrodeOrderResult
    average_result = ElectrodeOrderResult

    def analyse(self, context: AnalysisContext) -> ElectrodeOrderResult:
        """Return both shares, of which one trajectory gives no interval."""
        electrode = context.frames.electrode_atoms
        if electrode is None:
            raise AnalysisError("the trajectory does not record which atoms began in the electrode")
        start, end = (
            inner_bcc_fraction(context.frames.positions(frame), context.frames.cell(frame), electrode)
            for frame in (0, context.frames.n_frames - 1)
        )
        return ElectrodeOrderResult(
            bcc_fraction_start=Estimate.unknown(start), bcc_fraction_end=Estimate.unknown(end)
        )

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> ElectrodeOrderResult:
        """Average over the replicas that have both shares."""
        found = [each.result("electrode_order", ElectrodeOrderResult) for each in replicas]
        known = [each for each in found if isinstance(each, ElectrodeOrderResult)]
        if not known:
            raise AnalysisError(str(found[0]))
        return ElectrodeOrderResult(
            bcc_fraction_start=mean_over_replicas([each.bcc_fraction_start.value for each in known]),
            bcc_fraction_end=mean_over_replicas([each.bcc_fraction_end.value for each in known]),
        )
