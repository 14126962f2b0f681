"""Surveys of the runs of production, one after another, for the jobs that ask parts of them."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.pipeline.interface_analysis import InterfaceAnalysis, analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace


def run_surveys(
    segments: Sequence[SegmentDoc],
    question: InterfaceAnalysisSettings,
    told_as: str,
    references: PhaseReferences | None = None,
) -> tuple[dict[str, InterfaceAnalysis], list[str]]:
    """InterfaceAnalysis every run of these segments.

    Returns
    -------
    surveys, notes
        By run, and in words which runs have no trajectory.

    Raises
    ------
    AnalysisError
        No run has a frame.
    """
    artifacts = current_workspace().artifacts
    surveys: dict[str, InterfaceAnalysis] = {}
    notes: list[str] = []
    for run_id in sorted({s.run_id for s in segments}):
        paths = [artifacts.get(s.trajectory) for s in segments if s.run_id == run_id and s.trajectory]
        if not paths:
            notes.append(f"{run_id} has no trajectory, and of its {told_as} nothing is known")
            continue
        with RunFrames(paths) as frames:
            surveys[run_id] = analyse_interface(
                frames, question, told_as=f"{told_as} of {run_id}:", references=references
            )
    if not surveys:
        raise AnalysisError("no replica has a frame; see interphase query segments role=production")
    return surveys, notes


def packed_series(
    surveys: Mapping[str, InterfaceAnalysis], also: Mapping[str, NDArray[Any]], begins: str = ""
) -> bytes:
    """Return the series of surveys whose names begin so, named ``run/name``, and other arrays as a NumPy archive."""
    series: dict[str, NDArray[Any]] = dict(also) | {
        f"{run}/{name}": array
        for run, each in surveys.items()
        for name, array in each.arrays.items()
        if name.startswith(begins)
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **series)  # type: ignore[arg-type]
    return buffer.getvalue()
