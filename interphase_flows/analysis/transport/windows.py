"""Onsager coefficients in consecutive time windows.

A reacting interface is not in equilibrium. Each window has its own coefficients, drift and stationarity test; a window
that is too short for a coefficient records why.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from interphase_flows.analysis.geometry.frames import FrameSource, require_frames
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.onsager import OnsagerOptions, onsager_matrix
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError, UnsupportedWindowError


@dataclass(frozen=True)
class OnsagerWindow:
    """Onsager coefficients of one window, or why they are unavailable."""

    start_ps: float
    end_ps: float
    result: OnsagerResult | Unavailable


def onsager_windows(
    frames: FrameSource,
    *,
    window_ps: float,
    temperature_K: float,
    **options: Unpack[OnsagerOptions],
) -> list[OnsagerWindow]:
    """Measure Onsager coefficients in consecutive windows; a shorter remainder at the end is left out.

    Temperature and options are those of `onsager.onsager_matrix`.

    Raises
    ------
    AnalysisError
        No window fits into the trajectory, or as in `onsager.onsager_matrix`; a window that is too short for a
        coefficient is returned as unavailable.
    """
    windows = []
    for first, end, start_ps, end_ps in window_bounds(frames, window_ps):
        result: OnsagerResult | Unavailable
        try:
            result = onsager_matrix(
                frames, temperature_K=temperature_K, first_frame=first, end_frame=end, **options
            )
        except UnsupportedWindowError as error:
            result = Unavailable.from_error(error)
        windows.append(OnsagerWindow(start_ps, end_ps, result))
    return windows


def window_bounds(frames: FrameSource, window_ps: float) -> Iterator[tuple[int, int, float, float]]:
    """Yield first frame, frame after the last, and start and end in ps of consecutive windows.

    Raises AnalysisError if no window fits into the trajectory.
    """
    require_frames(frames)
    time_ps = np.asarray(frames.time_fs, dtype=float) / 1000.0
    length = float(time_ps[-1] - time_ps[0])
    # the tolerance covers rounding of times that are sums of steps
    n_windows = int(length / window_ps * (1 + 1e-9)) if window_ps > 0 else 0
    if n_windows == 0:
        raise AnalysisError(
            f"no window of {window_ps:g} ps fits into a trajectory of {length:g} ps; give a shorter window"
        )
    edges = time_ps[0] + window_ps * np.arange(n_windows + 1)
    indices = np.searchsorted(time_ps, edges * (1 - 1e-12) - 1e-9)
    for i in range(n_windows):
        yield int(indices[i]), int(indices[i + 1]), float(edges[i]), float(edges[i + 1])
