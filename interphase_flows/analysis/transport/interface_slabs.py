"""Slabs of an interface for transport: electrode, interphase in one part or several, electrolyte.

Slabs lie between the moving boundaries of the interphase; an atom belongs to the slab in which it is when a window
begins. The common drift is subtracted, as in the detection of the boundaries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.drift import CommonDrift
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.slices import heights
from interphase_flows.analysis.interfaces.boundaries import VACUUM_ANGSTROM
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.transport.regions import OUTSIDE, RegionCut
from interphase_flows.exceptions import AnalysisError

PART_ANGSTROM = 10.0
"""Minimum thickness of a part of an interphase: atoms leave thinner ones too soon."""
MOST_PARTS = 3


def parts_of(interface: Interface) -> int:
    """Return the number of parts of an interphase, from its thickness in the last tenth of the frames."""
    few = max(1, len(interface.time_ps) // 10)
    thickness = float(interface.thickness_angstrom[-few:].mean())
    return int(np.clip(thickness // PART_ANGSTROM, 1, MOST_PARTS))


def common_frames(interfaces: Sequence[Interface]) -> tuple[int, int]:
    """Return the first frame in which all interfaces have boundaries, and the one after the last.

    Raises AnalysisError if there are not two such frames.
    """
    first = max(each.first_frame for each in interfaces)
    end = min(each.first_frame + len(each.time_ps) for each in interfaces)
    if end - first < 2:
        ranges = "; ".join(
            f"{each.name} in frames {each.first_frame} to {each.first_frame + len(each.time_ps) - 1}"
            for each in interfaces
        )
        raise AnalysisError(
            f"the interfaces are never followed at the same time ({ranges}), so there are no slabs between them"
        )
    return first, end


def slabs_between(
    frames: FrameSource, interfaces: Sequence[Interface], parts: Sequence[int]
) -> Callable[[int], RegionCut]:
    """Return a function of the frame index that divides a frame into slabs, upwards from the electrode.

    There are one or two interfaces, with boundaries in every frame that will be divided; `parts` is the number of
    parts of equal thickness of each interphase.
    """
    drift = CommonDrift(frames.numbers, frames.positions(0), frames.cell(0))

    def cut(index: int) -> RegionCut:
        cell = frames.cell(index)
        period = float(face_distances(cell)[2])
        along = heights(frames.positions(index), cell)
        height = (along - drift.of(along)) * period
        stretches = _stretches(interfaces, parts, index, height, period)
        region = np.full(len(height), OUTSIDE, dtype=np.int64)
        for i, (_, lower, thickness) in enumerate(stretches):
            region[(height - lower) % period < thickness] = i
        return RegionCut(
            names=tuple(name for name, _, _ in stretches),
            region_of_atom=region,
            lower_angstrom=np.array([lower % period for _, lower, _ in stretches]),
            thickness_angstrom=np.array([thickness for _, _, thickness in stretches]),
        )

    return cut


def _stretches(
    interfaces: Sequence[Interface], parts: Sequence[int], index: int, height: FloatArray, period: float
) -> list[tuple[str, float, float]]:
    """Return name, lower face and thickness of each slab of a frame, Å."""
    faces = {each.name: _Faces.of(each, index) for each in interfaces}
    if len(faces) == 2:
        above, below = faces["above"], faces["below"]
        electrode = below.begin, (above.begin - below.begin) % period
        electrolyte = above.end, (below.end - above.end) % period
    else:
        (face,) = faces.values()
        electrode, electrolyte = _until_vacuum(face, height, period)
    interphases: dict[str, list[tuple[str, float, float]]] = {"above": [], "below": []}
    for each, n in zip(interfaces, parts, strict=True):
        face = faces[each.name]
        thickness = abs(face.end - face.begin) / n
        for part in range(n):
            name = f"interphase {each.name}" + (f", part {part + 1} of {n}" if n > 1 else "")
            nearer, farther = (face.begin + face.way * k * thickness for k in (part, part + 1))
            interphases[each.name].append((name, min(nearer, farther), thickness))
    return [
        ("electrode", *electrode),
        *interphases["above"],
        ("electrolyte", *electrolyte),
        *reversed(interphases["below"]),
    ]


@dataclass(frozen=True)
class _Faces:
    """Boundaries of one interphase in one frame, Å."""

    begin: float
    end: float
    way: float
    """1 where the electrolyte lies above the electrode, -1 below."""
    electrolyte_left: float

    @classmethod
    def of(cls, each: Interface, index: int) -> "_Faces":
        row = index - each.first_frame
        return cls(
            float(each.electrode_side_angstrom[row]),
            float(each.electrolyte_side_angstrom[row]),
            1.0 if each.name == "above" else -1.0,
            float(each.reservoirs["electrolyte"][row]),
        )


def _until_vacuum(face: _Faces, height: FloatArray, period: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return lower face and thickness of electrode and electrolyte where vacuum ends both."""
    inwards = np.sort(face.way * (face.begin - height) % period)
    inwards = inwards[: int(np.argmax(np.diff(inwards, append=np.inf) > VACUUM_ANGSTROM)) + 1]
    electrode = float(inwards[-1]) + 1e-6  # includes its outermost atom
    if face.way > 0:
        return (face.begin - electrode, electrode), (face.end, face.electrolyte_left)
    return (face.begin, electrode), (face.end - face.electrolyte_left, face.electrolyte_left)
