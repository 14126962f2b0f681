"""Onsager transport: coefficients with intervals, conduction, reference frames, time windows and slabs."""

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.conduction import IonicConduction, ionic_conduction
from interphase_flows.analysis.transport.cross_displacement import cross_displacement
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.analysis.transport.regions import RegionTransport, onsager_slabs
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.analysis.transport.windows import OnsagerWindow, onsager_windows

__all__ = [
    "Estimate",
    "IonicConduction",
    "OnsagerResult",
    "OnsagerWindow",
    "RegionTransport",
    "cross_displacement",
    "ionic_conduction",
    "onsager_matrix",
    "onsager_slabs",
    "onsager_windows",
]
