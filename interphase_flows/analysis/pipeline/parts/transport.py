"""Parts ``transport``, ``trapping``, ``fluxes`` and ``displacement``."""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import boundary_fluxes, passed_of
from interphase_flows.analysis.interfaces.results import DrivenFlux, FluxesResult, InterfaceFluxes
from interphase_flows.analysis.passivation.results import TrappingResult
from interphase_flows.analysis.passivation.trapping_by_interface import analyse_trapping
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.registry import AnalysisPart
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.speciation.element_roles import chemistry_within, roles_of
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.analysis.transport.driven_flux import driven_by_gradients
from interphase_flows.analysis.transport.interface_transport import analyse_transport
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.analysis.transport.replica_average import average_transport
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from interphase_flows.analysis.transport.summary import TransportAverage, TransportResult


class TransportPart(AnalysisPart):
    """Measure Onsager coefficients and conductivity."""

    version = 3
    result = TransportResult
    average_result = TransportAverage

    def analyse(self, context: AnalysisContext) -> TransportResult:
        """Return the coefficients that the trajectory supports."""
        boundaries = context.results.get("boundaries")
        why = str(boundaries) if isinstance(boundaries, Unavailable) else ""
        return analyse_transport(context.frames, context.settings, context.settings.transport, context.interfaces, why)

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> TransportAverage:
        """Average the coefficients of the entire cell."""
        return average_transport([each.result("transport", TransportResult) for each in replicas])


class TrappingPart(AnalysisPart):
    """Compare lifetimes of labels with diffusion without cross terms."""

    version = 3
    result = TrappingResult

    def analyse(self, context: AnalysisContext) -> TrappingResult:
        """Return the comparison for each interface and label."""
        context.require_interfaces()
        roles = roles_of(context.settings.electrode, context.settings.electrolyte)
        anions = context.settings.anions or chemistry_within(context.frames, roles, context.cutoffs)
        return analyse_trapping(context.frames, context.settings, context.interfaces, anions)


class FluxesPart(AnalysisPart):
    """Count crossings of both boundaries of each interface."""

    version = 6
    result = FluxesResult

    def analyse(self, context: AnalysisContext) -> FluxesResult:
        """Return fluxes by interface; cumulative crossings go to the arrays."""
        crossings = context.by_interface(lambda each: _counted(context, each))
        return FluxesResult(crossings=dict(crossings), gradients=_gradients(context))


def _counted(context: AnalysisContext, each: Interface) -> InterfaceFluxes:
    counted = context.crossings(each)
    context.arrays |= {f"{each.name}.passed {name}": series for name, series in passed_of(each, counted).items()}
    return boundary_fluxes(each, counted)


def _gradients(context: AnalysisContext) -> dict[str, list[DrivenFlux]] | Unavailable:
    transport = context.results.get("transport")
    if not isinstance(transport, TransportResult) or isinstance(transport.entire_cell, Unavailable):
        return Unavailable(reason="no Onsager coefficients of the entire cell; see transport")
    temperature_K = context.settings.temperature_K

    def driven() -> dict[str, list[DrivenFlux]]:
        along = onsager_matrix(context.frames, temperature_K=temperature_K, directions="normal")
        return driven_by_gradients(context.frames, along, context.interfaces, temperature_K)

    return context.or_unavailable(driven)


class DisplacementResult(Result):
    """Mean squared displacement since the first frame."""

    msd_end_angstrom2: dict[str, Estimate]
    """By species, at the end of the trajectory."""


class DisplacementPart(AnalysisPart):
    """Measure mean squared displacements; the series go to the arrays."""

    version = 2
    result = DisplacementResult
    average_result = DisplacementResult

    def analyse(self, context: AnalysisContext) -> DisplacementResult:
        """Return the displacement at the end, without an interval."""
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
