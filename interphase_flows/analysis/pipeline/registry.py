"""Base class of analysis parts, and their look-up by name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import ClassVar

from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.registered_parts import part_classes
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result
from interphase_flows.exceptions import AnalysisError


class AnalysisPart(ABC):
    """One part of the interface analysis: of a trajectory, and over replicas."""

    version: ClassVar[int]
    """Version of the method in the content key: a larger number recomputes results of older versions."""
    result: ClassVar[type[Result]]
    """Type of the result of one trajectory."""
    average_result: ClassVar[type[Result] | None] = None
    """Type of the result over replicas; None for parts that are not averaged."""

    @abstractmethod
    def analyse(self, context: AnalysisContext) -> Result:
        """Analyse one trajectory and write its series to ``context.arrays``.

        An AnalysisError is recorded as `Unavailable` with its message.
        """

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> Result:
        """Average the results of replicas; raises AnalysisError if they cannot be, as by default."""
        raise AnalysisError(f"{type(self).__name__} has no average over replicas")


def analysis_part(name: str) -> AnalysisPart:
    """Return a part by its name; its module is imported on demand."""
    part: AnalysisPart = resolve_name(part_classes()[name])()
    return part
