"""Rates against time: dh/dt and the flux of every species in consecutive windows.

The windows are half as long as the two windows of the verdict, unless these contain too few frames. They begin after the
last gap that leaves too few frames in one of them.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from interphase_flows.analysis.passivation.history import InterphaseHistory, RateHistory
from interphase_flows.analysis.passivation.replica_rate import replica_rates
from interphase_flows.analysis.passivation.verdict import Verdict
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.window_rate import LEAST_FRAMES, frame_interval_ps
from interphase_flows.exceptions import AnalysisError

WINDOWS_PER_VERDICT_WINDOW = 2


def rate_history(replicas: Sequence[InterphaseHistory], judged: Verdict) -> RateHistory:
    """Measure rates over the time range of a verdict.

    Parameters
    ----------
    replicas
        Histories from which the verdict was made.
    judged
        The verdict.

    Raises
    ------
    AnalysisError
        There are too few frames for windows.
    """
    if judged.windows_ps is None:
        raise AnalysisError(f"no rates against time: {judged.reason}")
    (_, middle), (_, end) = judged.windows_ps
    window = (end - middle) / WINDOWS_PER_VERDICT_WINDOW
    start = max(float(each.time_ps[0]) for each in replicas)
    interval = max(frame_interval_ps(each.time_ps) for each in replicas)
    if window < LEAST_FRAMES * interval:
        window = end - middle
    n = int((end - start) / window * (1 + 1e-9))
    edges = end - window * np.arange(n, -1, -1.0)
    in_gaps = [i for i, span in enumerate(pairwise(edges)) if not all(each.has_frames(*span) for each in replicas)]
    if in_gaps:  # only windows after the last gap
        edges = edges[min(in_gaps[-1] + 1, n - 1) :]
    names = list(replicas[0].quantities)
    spans = [(float(begin), float(until)) for begin, until in pairwise(edges)]
    # the noise of early windows, in which growth is curved, is not that of later ones
    found = {name: [replica_rates(replicas, name, span)[0].interval() for span in spans] for name in names}
    return RateHistory(edges_ps=edges, rates_per_ps={name: _as_arrays(rates) for name, rates in found.items()})


def _as_arrays(rates: Sequence[Estimate]) -> Estimate:
    value, lower, upper, error = (
        np.array([getattr(each, name) for each in rates]) for name in ("value", "lower", "upper", "standard_error")
    )
    return Estimate(value, lower, upper, standard_error=error)
