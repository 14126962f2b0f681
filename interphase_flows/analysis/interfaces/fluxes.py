"""Fluxes of atoms through the moving boundaries of an interphase.

Crossings are counted at both boundaries without the drift of the centre of mass. Intervals of rates are those of
`statistics.window_rate`.
"""

import numpy as np
from ase.data import atomic_masses

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.drift import CommonDrift
from interphase_flows.analysis.geometry.frame_slice import FrameSlice
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.geometry.slices import heights, periods_angstrom
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.plane_flux import CrossingSeries, crossings
from interphase_flows.analysis.interfaces.results import BoundaryFlux, InterfaceFluxes
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.window_rate import LEAST_FRAMES, window_rate

BEGIN, END = "electrode side", "electrolyte side"


def crossings_of(frames: FrameSource, interface: Interface) -> CrossingSeries:
    """Count the atoms that cross both boundaries of an interface.

    Raises
    ------
    AnalysisError
        There are fewer than two frames.
    """
    # drift is removed from crossings since the first frame of the interface, from boundaries since that of the trajectory
    span = FrameSlice(frames, interface.first_frame, len(interface.time_ps))
    since = CommonDrift(frames.numbers, frames.positions(0), frames.cell(0))
    until = since.of(heights(span.positions(0), span.cell(0))) * periods_angstrom(span)
    planes = {
        BEGIN: interface.electrode_side_angstrom + until,
        END: interface.electrolyte_side_angstrom + until,
    }
    if interface.name == "below":
        planes = {END: planes[END], BEGIN: planes[BEGIN]}
    return crossings(span, planes, reference=atomic_masses[frames.numbers])


def towards_electrolyte(interface: Interface) -> float:
    """Return the sign that makes crossings from the electrode to the electrolyte positive."""
    return 1.0 if interface.name == "above" else -1.0


def passed_of(interface: Interface, counted: CrossingSeries) -> dict[str, FloatArray]:
    """Return cumulative crossings towards the electrolyte by "species at boundary", atoms/nm²."""
    sign = towards_electrolyte(interface)
    return {
        f"{species} at {plane}": sign * series
        for plane in (BEGIN, END)
        for species, series in counted.cumulative_atoms_per_nm2(plane).items()
    }


def boundary_fluxes(interface: Interface, counted: CrossingSeries) -> InterfaceFluxes:
    """Return the mean flux of each species through each boundary: net, and by motion of the atoms alone."""
    sign, atom = towards_electrolyte(interface), 1.0 / float(counted.area_nm2.mean())
    rows = []
    for plane in (BEGIN, END):
        net, own = (counted.cumulative_atoms_per_nm2(plane, static=static) for static in (False, True))
        rows += [
            BoundaryFlux(
                species=species,
                boundary=plane,
                net_atoms_per_nm2_ps=_rate(counted.time_ps, sign * net[species], atom),
                by_atoms_per_nm2_ps=_rate(counted.time_ps, sign * own[species], atom),
                # sums of half atoms have rounding errors
                passed_atoms_per_nm2=round(float(sign * net[species][-1]), 9),
            )
            for species in counted.groups
        ]
    return InterfaceFluxes(rows=rows)


def _rate(time_ps: FloatArray, passed: FloatArray, atom: float) -> Estimate:
    if len(time_ps) < LEAST_FRAMES:
        return Estimate(float((passed[-1] - passed[0]) / (time_ps[-1] - time_ps[0])), np.nan, np.nan)
    return window_rate(time_ps, passed, event=atom).interval()
