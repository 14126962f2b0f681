"""Figures of every production run."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.report.figures.style import FigureFile, rendered

Arrays = Mapping[str, NDArray[np.floating]]
T = TypeVar("T")


def draw_runs(
    runs: Mapping[str, T],
    arrays: Arrays,
    draw: Callable[[T, Arrays], Mapping[str, tuple[Figure, str]]],
) -> dict[str, FigureFile]:
    """Draw the figures of each run, named ``run_figure``.

    Parameters
    ----------
    runs
        Results by name of the run; a single run may have the empty name.
    arrays
        Series of all runs, named ``run/series``.
    draw
        Returns the figures of one run with their alternative texts, by name.
    """
    drawn = {}
    for run, results in runs.items():
        own = {name.removeprefix(f"{run}/"): a for name, a in arrays.items() if name.startswith(f"{run}/")}
        for name, (figure, alt) in draw(results, own).items():
            full = f"{run}_{name}" if run else name
            drawn[full] = rendered(figure, full, f"{alt}, {run}" if run else alt)
    return drawn
