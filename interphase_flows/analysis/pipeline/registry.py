"""The interface of an analysis part, and how a part is found by its name."""

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Protocol

from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.registered_parts import part_classes
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result


class AnalysisPart(Protocol):
    """One part of the interface analysis: of a trajectory, and over replicas."""

    version: int
    """Version of the method in the content key: a larger number recomputes results of older versions."""
    result: type[Result]
    """Type of the result of one trajectory."""
    average_result: type[Result] | None = None
    """Type of the result over replicas; None if there is none."""

    def analyse(self, context: AnalysisContext) -> Result:
        """Analyse one trajectory and write its series to ``context.arrays``.

        An AnalysisError gives the reason why the trajectory cannot answer, which is recorded as `Unavailable`.
        """
        ...

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> Result:
        """Average the results of replicas; raises AnalysisError if they cannot be averaged."""
        raise NotImplementedError


def analysis_part(name: str) -> AnalysisPart:
    """Return the part of a name, which settings check; its module is imported only now."""
    part: AnalysisPart = resolve_name(part_classes()[name])()
    return part
