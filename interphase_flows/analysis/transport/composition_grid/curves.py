"""Lines and bands of a composition grid, as arrays for figures."""

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.transport.composition_grid.arrhenius import ArrheniusFit
from interphase_flows.analysis.transport.composition_grid.interpolation import CompositionGrid

CURVE_POINTS = 41
"""Points of a line in a figure."""
BEYOND_HOTTEST = 0.05
"""Fraction of the range in 1/T by which lines extend beyond the hottest temperature."""


def line_arrays(name: str, fit: ArrheniusFit, temperature_K: float) -> dict[str, FloatArray]:
    """Return a line and its band from the coldest temperature of interest to a little beyond the hottest."""
    coldest, hottest = 1.0 / min(fit.coldest_K, temperature_K), 1.0 / max(fit.hottest_K, temperature_K)
    inverse = np.linspace(max(hottest - BEYOND_HOTTEST * (coldest - hottest), 1e-6), coldest, CURVE_POINTS)
    at = [fit.at(1.0 / each) for each in inverse]
    return {
        f"{name}/temperature_K": 1.0 / inverse,
        **{
            f"{name}/{part}": np.array([getattr(e, part) for e in at]) for part in ("value", "lower", "upper")
        },
    }


def curve_arrays(grid: CompositionGrid, temperature_K: float) -> dict[str, FloatArray]:
    """Return L_ij against composition, with its band."""
    first, last = grid.x_electrode[0], grid.x_electrode[-1]
    x = np.unique(np.concatenate([np.linspace(first, last, CURVE_POINTS), grid.x_electrode]))
    at = [grid.at(each, temperature_K) for each in x]
    return {
        "curve/x_electrode": x,
        **{f"curve/{part}": np.stack([getattr(e, part) for e in at]) for part in ("value", "lower", "upper")},
    }
