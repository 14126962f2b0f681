"""Part ``boundaries``: where each interphase begins and ends, and how thick it is."""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.interfaces.boundaries import BoundarySeries
from interphase_flows.analysis.interfaces.detection import Interface, find_interfaces, interfaces_of
from interphase_flows.analysis.interfaces.results import BoundariesResult, InterfaceGeometry
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.exceptions import AnalysisError

FEW_FOUND = 0.5
"""Flag a frame's boundaries as uncertain if fewer than this fraction of the slab cuts find an end."""


class BoundariesPart:
    """Find the boundaries; later parts take them from the context."""

    version = 1
    result = BoundariesResult
    average_result = None

    def analyse(self, context: AnalysisContext) -> BoundariesResult:
        """Return thicknesses and what is in the interphases; the series go to the arrays."""
        sides = context.settings.sides
        found, widths, notes = find_interfaces(context.frames, sides)
        context.interfaces, missing = interfaces_of(context.frames, sides, found)
        notes += missing
        if not context.interfaces:
            raise AnalysisError("; ".join(notes))
        return BoundariesResult(
            widths_angstrom=[w for w, t in zip(widths, found.tolerances, strict=True) if np.isfinite(t)],
            tolerances=[t for t in found.tolerances if np.isfinite(t)],
            notes=notes,
            sides={each.name: _geometry(context, each, found) for each in context.interfaces},
        )

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> BoundariesResult:
        """Boundaries are not averaged: growth and verdict are."""
        raise NotImplementedError


def _geometry(context: AnalysisContext, each: Interface, found: BoundarySeries) -> InterfaceGeometry:
    column = found.sides.index(each.name)
    rows = slice(each.first_frame, each.first_frame + len(each.time_ps))
    context.arrays |= {
        f"{each.name}.{name}": series
        for name, series in (
            ("time_ps", each.time_ps),
            ("thickness_angstrom", each.thickness_angstrom),
            ("thickness_spread_angstrom", found.thickness_spread_angstrom[rows, column]),
            ("electrode_side_angstrom", each.electrode_side_angstrom),
            ("electrolyte_side_angstrom", each.electrolyte_side_angstrom),
            ("found_share", found.found_share[rows, column]),
            *((f"{side}_left_angstrom", left) for side, left in each.reservoirs.items()),
        )
    }
    few = max(1, len(each.time_ps) // 10)
    last = found.population[rows, column][each.is_found][-few:].mean(axis=0)
    return InterfaceGeometry(
        thickness_start_angstrom=float(each.thickness_angstrom[:few].mean()),
        thickness_end_angstrom=float(each.thickness_angstrom[-few:].mean()),
        spread_over_cuts_angstrom=float(np.nanmedian(found.thickness_spread_angstrom[rows, column])),
        share_of_unsure_frames=float((found.found_share[rows, column] < FEW_FOUND).mean()),
        atoms_end=dict(zip(found.elements, last.tolist(), strict=True)),
        followed_until_ps=float(each.time_ps[-1]),
    )
