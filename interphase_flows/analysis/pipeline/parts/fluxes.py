"""Part ``fluxes``: atoms that cross the boundaries, and the fluxes that composition gradients would drive."""

from collections.abc import Sequence

from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import boundary_fluxes, passed_of
from interphase_flows.analysis.interfaces.results import DrivenFlux, FluxesResult, InterfaceFluxes
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.driven_flux import driven_by_gradients
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.analysis.transport.summary import TransportResult


class FluxesPart:
    """Count crossings of both boundaries of each interface."""

    version = 1
    result = FluxesResult
    average_result = None

    def analyse(self, context: AnalysisContext) -> FluxesResult:
        """Return fluxes by interface; what has passed each boundary goes to the arrays."""
        crossings = context.by_interface(lambda each: _counted(context, each))
        return FluxesResult(crossings=dict(crossings), gradients=_gradients(context))

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> FluxesResult:
        """Fluxes are averaged by the part ``verdict``."""
        raise NotImplementedError


def _counted(context: AnalysisContext, each: Interface) -> InterfaceFluxes:
    counted = context.crossings(each)
    context.arrays |= {
        f"{each.name}.passed {name}": series for name, series in passed_of(each, counted).items()
    }
    return boundary_fluxes(each, counted)


def _gradients(context: AnalysisContext) -> dict[str, list[DrivenFlux]] | Unavailable:
    transport = context.results.get("transport")
    if not isinstance(transport, TransportResult) or isinstance(transport.entire_cell, Unavailable):
        return Unavailable(reason="no Onsager coefficients of the whole cell, see transport")
    temperature_K = context.settings.temperature_K

    def driven() -> dict[str, list[DrivenFlux]]:
        along = onsager_matrix(context.frames, temperature_K=temperature_K, directions="normal")
        return driven_by_gradients(context.frames, along, context.interfaces, temperature_K)

    return context.or_unavailable(driven)
