"""Part ``profiles``: composition, mass density and coordination along the normal, by blocks of time."""

from collections.abc import Sequence

from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.profiles.interface_profiles import analyse_profiles
from interphase_flows.analysis.profiles.results import ProfilesResult


class ProfilesPart:
    """Measure profiles along the normal."""

    version = 1
    result = ProfilesResult
    average_result = None

    def analyse(self, context: AnalysisContext) -> ProfilesResult:
        """Return means over the cell; the profiles go to the arrays."""
        result, arrays = analyse_profiles(
            context.frames, context.settings, context.interfaces, context.cutoffs
        )
        context.arrays |= arrays
        return result

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> ProfilesResult:
        """Profiles are not averaged over replicas."""
        raise NotImplementedError
