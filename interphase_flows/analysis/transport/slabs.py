"""Transport against depth and time: L_ij of slabs parallel to the interface, in windows.

Atoms belong to the slab they are in when the window begins and are followed wherever they go; how many stay is
reported, for a window much longer than atoms stay measures the neighbours too. Displacements in the plane and
along the normal are apart. The reference frame is that of the slab's own atoms, since its neighbours take up
momentum. What all of it does on average, a drift towards the electrode, is taken out and reported as advection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.frames import BoolArray, FrameSource
from interphase_flows.analysis.transport.collective import CollectiveMotion, collective_motion
from interphase_flows.analysis.transport.groups import (
    by_species_and_slab,
    height_along_normal,
    normal_axes,
    slabs_along_normal,
)
from interphase_flows.analysis.transport.onsager import Directions, Question, window_result
from interphase_flows.analysis.transport.reference_frames import ReferenceFrame
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.analysis.transport.windows import window_bounds
from interphase_flows.exceptions import AnalysisError, UnsupportedWindowError


@dataclass(frozen=True)
class SlabTransport:
    """Coefficients of one slab in one window, or why there are none."""

    start_ps: float
    end_ps: float
    lower_angstrom: float
    """Height of the slab's lower face above the lower ab face (or around the reference)."""
    upper_angstrom: float
    n_atoms: int
    """When the window began."""
    fraction_staying: float
    """Of these, in the slab when the window ended; nan for a slab without atoms."""
    in_plane: OnsagerResult | None
    normal: OnsagerResult | None
    in_plane_refusal: str | None
    normal_refusal: str | None


def onsager_slabs(
    frames: FrameSource,
    *,
    window_ps: float,
    n_slabs: int,
    temperature_K: float,
    species: Sequence[str] | None = None,
    frame: ReferenceFrame = "barycentric",
    at_rest: Sequence[str] = (),
    reference: BoolArray | None = None,
    step_ps: float | None = None,
    confidence: float = 0.95,
) -> list[SlabTransport]:
    """Measure Onsager coefficients slab by slab in consecutive windows.

    Parameters
    ----------
    frames
        The trajectory: positions unwrapped, cell constant within a window, frames equally spaced.
    window_ps
        Length of a window.
    n_slabs
        Number of slabs that tile the cell along the normal of a and b.
    temperature_K, frame, at_rest, step_ps, confidence
        As in `onsager.onsager_matrix`; the frame is that of each slab's own atoms.
    species
        Chemical symbols to report; those present in a slab by default.
    reference
        Atoms whose middle is put at the middle of the slabs, as in `profiles.composition_profile`.

    Raises
    ------
    AnalysisError
        No window fits into the trajectory, there is no slab, or as in `onsager.onsager_matrix`. A slab that
        cannot support a number is returned with its refusal.
    """
    if n_slabs < 1:
        raise AnalysisError(f"n_slabs = {n_slabs}: give 1 or more")
    wanted = None if species is None else tuple(species)
    question = Question(temperature_K, wanted, frame, tuple(at_rest), step_ps, confidence)
    found = []
    for first, end, start_ps, end_ps in window_bounds(frames, window_ps):
        slab_of_atom = slabs_along_normal(frames, first, n_slabs, reference)
        at_end = slabs_along_normal(frames, end - 1, n_slabs, reference)
        cell = frames.cell(first)
        motion = collective_motion(
            frames,
            by_species_and_slab(frames, slab_of_atom, n_slabs),
            first_frame=first,
            end_frame=end,
            axes=normal_axes(cell),
        )
        height = height_along_normal(cell) / n_slabs
        for slab in range(n_slabs):
            inside = slab_of_atom == slab
            in_plane, in_plane_refusal = _slab_result(motion, slab, n_slabs, "in_plane", question)
            normal, normal_refusal = _slab_result(motion, slab, n_slabs, "normal", question)
            found.append(
                SlabTransport(
                    start_ps=start_ps,
                    end_ps=end_ps,
                    lower_angstrom=slab * height,
                    upper_angstrom=(slab + 1) * height,
                    n_atoms=int(inside.sum()),
                    fraction_staying=float((at_end[inside] == slab).mean()) if inside.any() else np.nan,
                    in_plane=in_plane,
                    normal=normal,
                    in_plane_refusal=in_plane_refusal,
                    normal_refusal=normal_refusal,
                )
            )
    return found


def _slab_result(
    motion: CollectiveMotion, slab: int, n_slabs: int, directions: Directions, question: Question
) -> tuple[OnsagerResult | None, str | None]:
    """Return the coefficients of a slab, or why there are none."""
    present = {motion.groups.species[each] for each in motion.groups.of_domain(slab)}
    needed = {*(question.species or ()), *question.at_rest}
    if not present:
        return None, "no atom was in this slab when the window began"
    if not needed <= present:
        return (
            None,
            f"no atom of {', '.join(sorted(needed - present))} was in this slab when the window began",
        )
    try:
        return window_result(motion, slab, motion.volume_angstrom3 / n_slabs, directions, question), None
    except UnsupportedWindowError as error:
        return None, str(error)
