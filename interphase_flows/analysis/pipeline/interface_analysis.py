"""Analysis of one interface trajectory: all requested parts, each with a typed result.

If the trajectory gives no result for a part, it is recorded as `Unavailable`, and the analysis continues.
"""

from functools import partial
from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.changing_cell import MeanCell
from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, require_frames
from interphase_flows.analysis.geometry.interface_normal import AlongNormal
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.pipeline.context import AnalysisContext
from interphase_flows.analysis.pipeline.registry import analysis_part
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis, TrajectorySummary
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings


def analyse_interface(
    frames: FrameSource | str | Path,
    settings: InterfaceAnalysisSettings,
    *,
    stage: str = "analyse",
    references: PhaseReferences | None = None,
    labels_path: Path | None = None,
    bond_cutoffs_angstrom: dict[tuple[str, str], float] | None = None,
) -> InterfaceAnalysis:
    """Analyse every requested part of a trajectory with unwrapped positions, in contact from its first frame.

    `frames` may be the path of a trajectory that needs no option of `open_trajectory`.
    `stage` is the prefix under which progress is reported; `references` are phase references that atoms are
    compared with; `labels_path` is a file to which the phase labels of atoms are exported as extended XYZ.
    `bond_cutoffs_angstrom` are known bond cutoffs by pair of elements, to which those of other pairs are added; pass one
    dictionary for all replicas. Raises AnalysisError if the trajectory is empty, contains other elements than the two
    sides, or has a frame that cannot be read.
    """
    if isinstance(frames, str | Path):
        with open_trajectory(frames) as opened:
            return analyse_interface(
                opened,
                settings,
                stage=stage,
                references=references,
                labels_path=labels_path,
                bond_cutoffs_angstrom=bond_cutoffs_angstrom,
            )
    require_frames(frames)
    settings.check(frames)
    along_c = frames if settings.normal == "c" else AlongNormal(frames, settings.normal)
    known_cutoffs = {} if bond_cutoffs_angstrom is None else bond_cutoffs_angstrom
    context = AnalysisContext(
        ProgressFrames(along_c), settings, references, labels_path, bond_cutoffs_angstrom=known_cutoffs
    )
    time_ps = np.asarray(context.frames.time_fs, dtype=float) / 1000.0
    context.arrays |= _changing_cell(context.frames, time_ps)
    for name in settings.parts_to_run():
        context.frames.stage = f"{stage} {name}"
        analyse = partial(analysis_part(name).analyse, context)
        context.results[name] = context.or_unavailable(analyse)
    return InterfaceAnalysis(
        TrajectorySummary(
            n_frames=context.frames.n_frames,
            n_atoms=context.frames.n_atoms,
            elements=list(elements_of(context.frames)),
            length_ps=float(time_ps[-1] - time_ps[0]),
            temperature_K=settings.temperature_K,
        ),
        settings,
        context.results,
        context.arrays,
        context.histories,
    )


def _changing_cell(frames: FrameSource, time_ps: FloatArray) -> dict[str, FloatArray]:
    """Return height and volume of the cell against time, (n_frames,) each; empty for a constant cell."""
    cells = MeanCell.of(frames, range(frames.n_frames)).cells_angstrom
    if cells is None:
        return {}
    volumes = np.abs(np.linalg.det(cells))
    return {
        "cell.time_ps": time_ps - time_ps[0],
        "cell.height_angstrom": volumes / np.linalg.norm(np.cross(cells[:, 0], cells[:, 1]), axis=1),
        "cell.volume_angstrom3": volumes,
    }
