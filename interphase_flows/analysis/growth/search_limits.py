"""Limits of the search of a growth law: a parameter there is not measured by the series."""

from collections.abc import Mapping

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.least_squares import LawFit
from interphase_flows.analysis.statistics.estimate import Estimate

AT_A_LIMIT = 0.01
"""Relative distance of a value from a limit at which it counts as being there."""


def parameter_at_a_limit(
    fit: LawFit, time_ps: FloatArray, unit: str, estimates: Mapping[str, Estimate] | None = None
) -> str:
    """Return a message if a parameter, or the interval of one, reaches a limit of its search range, or an empty string.

    Parameters
    ----------
    fit
        Best curve of a law.
    time_ps
        Times of the series, (n_frames,).
    unit
        Unit of the series, as in the names of the parameters.
    estimates
        Intervals of the parameters by name. The interval of a parameter beyond a limit is truncated there, even if its
        best value is inside.
    """
    lower, upper = fit.law.search_limits(time_ps)
    for name, value, *limits in zip(fit.law.parameter_names(unit), fit.parameters, lower, upper, strict=True):
        values = [float(value)]
        if estimates is not None and estimates[name].is_known:
            values += [estimates[name].lower, estimates[name].upper]
        for limit in limits:
            if not np.isfinite(limit):
                continue
            # a series may begin long after the contact; the value is the scale of a limit at zero
            scale = min(abs(limit), limits[1] - limits[0]) if limit else max(map(abs, values))
            if min(abs(each - limit) for each in values) <= AT_A_LIMIT * scale:
                return f"{name} of {fit.law.name} reaches {limit:.3g}, a limit of what this series can resolve"
    return ""
