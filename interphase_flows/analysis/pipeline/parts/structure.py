"""Parts ``boundaries``, ``profiles``, ``phases`` and ``electrode_order``."""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.interfaces.boundaries import BoundarySeries
from interphase_flows.analysis.interfaces.detection import Interface, find_interfaces, interfaces_of
from interphase_flows.analysis.interfaces.results import BoundariesResult, InterfaceGeometry
from interphase_flows.analysis.phases.electrode_order import inner_bcc_fraction
from interphase_flows.analysis.phases.phases import analyse_phases
from interphase_flows.analysis.phases.replica_average import average_phases
from interphase_flows.analysis.phases.results import PhasesAverage, PhasesResult
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.registry import AnalysisPart
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.profiles.interface_profiles import analyse_profiles
from interphase_flows.analysis.profiles.results import ProfilesResult
from interphase_flows.analysis.results import Result
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.exceptions import AnalysisError

FEW_FOUND = 0.5
"""Flag a frame's boundaries as uncertain if fewer than this fraction of the slab cuts find an end."""


class BoundariesPart(AnalysisPart):
    """Find the boundaries, which later parts use."""

    version = 3
    result = BoundariesResult

    def analyse(self, context: AnalysisContext) -> BoundariesResult:
        """Return thicknesses and compositions of the interphases; the series go to the arrays."""
        sides = context.settings.sides
        found, widths, notes = find_interfaces(context.frames, sides, tolerance=context.settings.bulk_tolerance)
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


class ProfilesPart(AnalysisPart):
    """Measure profiles along the normal."""

    version = 2
    result = ProfilesResult

    def analyse(self, context: AnalysisContext) -> ProfilesResult:
        """Return means over the cell; the profiles go to the arrays."""
        result, arrays = analyse_profiles(context.frames, context.settings, context.interfaces, context.cutoffs)
        context.arrays |= arrays
        return result


class PhasesPart(AnalysisPart):
    """Identify anions and phases."""

    version = 5
    result = PhasesResult
    average_result = PhasesAverage

    def analyse(self, context: AnalysisContext) -> PhasesResult:
        """Return anions and phases; maps and series go to the arrays."""
        result, arrays = analyse_phases(
            context.frames,
            context.settings,
            context.interfaces,
            context.references,
            context.cutoffs,
            context.settings.anions,
            context.labels_path,
        )
        context.arrays |= arrays
        return result

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> PhasesAverage:
        """Average over replicas."""
        return average_phases([each.result("phases", PhasesResult) for each in replicas])


class ElectrodeOrderResult(Result):
    """Fraction of the inner atoms of the electrode in bcc-like environments."""

    bcc_fraction_start: Estimate
    bcc_fraction_end: Estimate


class ElectrodeOrderPart(AnalysisPart):
    """Measure the crystallinity of a bcc electrode in the first and the last frame."""

    version = 2
    result = ElectrodeOrderResult
    average_result = ElectrodeOrderResult

    def analyse(self, context: AnalysisContext) -> ElectrodeOrderResult:
        """Return both shares, without an interval."""
        electrode = context.frames.electrode_atoms
        if electrode is None:
            raise AnalysisError("the trajectory does not record the atoms of the initial electrode")
        start, end = (
            inner_bcc_fraction(context.frames.positions(frame), context.frames.cell(frame), electrode)
            for frame in (0, context.frames.n_frames - 1)
        )
        return ElectrodeOrderResult(bcc_fraction_start=Estimate.unknown(start), bcc_fraction_end=Estimate.unknown(end))

    def average(self, replicas: Sequence[InterfaceAnalysis]) -> ElectrodeOrderResult:
        """Average over the replicas that have both shares."""
        found = [each.result("electrode_order", ElectrodeOrderResult) for each in replicas]
        known = [each for each in found if isinstance(each, ElectrodeOrderResult)]
        if not known:
            raise AnalysisError(str(found[0]))
        return ElectrodeOrderResult(
            bcc_fraction_start=mean_over_replicas([each.bcc_fraction_start.value for each in known]),
            bcc_fraction_end=mean_over_replicas([each.bcc_fraction_end.value for each in known]),
        )
