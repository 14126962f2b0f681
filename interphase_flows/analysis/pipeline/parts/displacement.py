"""Part ``displacement``: mean squared displacement of each species from the first frame."""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement


class DisplacementResult(Result):
    """Mean squared displacement since the first frame."""

    msd_end_angstrom2: dict[str, Estimate]
    """By species, at the end of the trajectory."""


class DisplacementPart:
    """Measure mean squared displacements; the series go to the arrays."""

    version = 1
    result = DisplacementResult
    average_result = DisplacementResult

    def analyse(self, context: AnalysisContext) -> DisplacementResult:
        """Return the displacement at the end, of which one trajectory gives no interval."""
        found = mean_squared_displacement(context.frames)
        context.arrays["displacement.time_ps"] = found.time_ps
        for column, name in enumerate(found.species):
            context.arrays[f"displacement.msd_angstrom2 {name}"] = found.msd_angstrom2[:, column]
        end = dict(zip(found.species, found.msd_angstrom2[-1].tolist(), strict=True))
        return DisplacementResult(msd_end_angstrom2={name: Estimate.unknown(x) for name, x in end.items()})

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> DisplacementResult:
        """Average over replicas, at the end of the shortest."""
        names = [name for name in replicas[0].arrays if name.startswith("displacement.msd_angstrom2 ")]
        n_frames = min(len(each.arrays["displacement.time_ps"]) for each in replicas)
        return DisplacementResult(
            msd_end_angstrom2={
                name.partition(" ")[2]: mean_over_replicas(
                    [np.asarray(each.arrays[name])[n_frames - 1] for each in replicas]
                )
                for name in names
            }
        )
