"""Figures of every run of production, by one function of its values and series."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.report.figures.style import FigureFile, rendered

Arrays = Mapping[str, NDArray[np.floating]]


def drawn_runs(
    runs: Mapping[str, Mapping[str, Any]],
    arrays: Arrays,
    figures_of: Callable[[Mapping[str, Any], Arrays], Mapping[str, tuple[Figure, str]]],
) -> dict[str, FigureFile]:
    """Draw the figures of each run, named ``run_figure``.

    Parameters
    ----------
    runs
        Values by name of the run; a single run may have the empty name.
    arrays
        Their series, named ``run/series``.
    figures_of
        Returns figures with their texts, by name.
    """
    drawn = {}
    for run, values in runs.items():
        own = {name.removeprefix(f"{run}/"): a for name, a in arrays.items() if name.startswith(f"{run}/")}
        for name, (figure, alt) in figures_of(values, own).items():
            full = f"{run}_{name}" if run else name
            drawn[full] = rendered(figure, full, f"{alt}, {run}" if run else alt)
    return drawn
