"""Answers that may be refused in words while the others go on."""

from collections.abc import Callable, Mapping
from typing import Any

from interphase_flows.analysis.geometry.progress_frames import CountedFrames
from interphase_flows.exceptions import AnalysisError


def or_refused(frames: CountedFrames, answer: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Return an answer, or why there is none under ``refused``.

    Raises
    ------
    AnalysisError
        A frame cannot be read: that is no answer of the trajectory's.
    """
    try:
        return dict(answer())
    except AnalysisError as error:
        if frames.damage is not None:
            raise
        return {"refused": str(error)}
