"""Part ``trapping``: do network formers keep their label longer than diffusion lets them?"""

from collections.abc import Sequence

from interphase_flows.analysis.passivation.results import TrappingResult
from interphase_flows.analysis.passivation.trapping_by_interface import analyse_trapping
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis


class TrappingPart:
    """Compare lifetimes of labels with diffusion without cross terms."""

    version = 1
    result = TrappingResult
    average_result = None

    def analyse(self, context: AnalysisContext) -> TrappingResult:
        """Return the comparison for each interface and label."""
        context.require_interfaces()
        return analyse_trapping(context.frames, context.settings, context.interfaces, context.settings.anions)

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> TrappingResult:
        """Trapping is not averaged over replicas."""
        raise NotImplementedError
