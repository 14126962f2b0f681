"""Onsager coefficients of slabs of equal height in time windows; see `regions` for the method."""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.array_types import BoolArray
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.transport.groups import height_along_normal, slabs_along_normal
from interphase_flows.analysis.transport.onsager import OnsagerRequest
from interphase_flows.analysis.transport.reference_frames import ReferenceFrame
from interphase_flows.analysis.transport.regions import RegionCut, RegionTransport, onsager_regions
from interphase_flows.analysis.transport.windows import window_bounds
from interphase_flows.exceptions import AnalysisError


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
) -> list[RegionTransport]:
    """Measure Onsager coefficients of `n_slabs` equal slabs along the interface normal in consecutive windows.

    `reference` selects the atoms whose centre defines the centre of the slabs, as in `profiles.composition_profile`. The
    other parameters are those of `onsager.onsager_matrix`, but the frame is that of each slab's own atoms, and `species`
    defaults to all that are present in a slab.

    Raises
    ------
    AnalysisError
        No window fits into the trajectory, `n_slabs` is not positive, or as in `onsager.onsager_matrix`. A slab without
        enough data is returned as unavailable.
    """
    if n_slabs < 1:
        raise AnalysisError(f"n_slabs = {n_slabs}: it must be at least 1")

    def cut(index: int) -> RegionCut:
        edges = np.linspace(0.0, height_along_normal(frames.cell(index)), n_slabs + 1)
        return RegionCut(
            names=tuple(f"slab {i + 1} of {n_slabs}" for i in range(n_slabs)),
            region_of_atom=slabs_along_normal(frames, index, n_slabs, reference),
            lower_angstrom=edges[:-1],
            thickness_angstrom=np.diff(edges),
        )

    requested = None if species is None else tuple(species)
    request = OnsagerRequest(temperature_K, requested, frame, tuple(at_rest), step_ps, confidence)
    return onsager_regions(frames, cut, window_bounds(frames, window_ps), request)
