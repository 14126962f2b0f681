"""Onsager transport: coefficients with intervals, conduction, reference frames, time windows and slabs."""

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.conduction import IonicConduction, ionic_conduction
from interphase_flows.analysis.transport.cross_displacement import cross_displacement
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.analysis.transport.regions import (
    OnsagerWindow,
    RegionTransport,
    onsager_slabs,
    onsager_windows,
)
from interphase_flows.analysis.transport.results import OnsagerResult

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
