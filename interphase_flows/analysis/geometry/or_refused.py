"""Temporary: untyped form of `analysis.results.or_unavailable`."""

from collections.abc import Callable, Mapping
from typing import Any

from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.exceptions import AnalysisError


def or_refused(frames: ProgressFrames, answer: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Return an answer, or why there is none under ``refused``."""
    try:
        return dict(answer())
    except AnalysisError as error:
        if frames.damage is not None:
            raise
        return {"refused": str(error)}
