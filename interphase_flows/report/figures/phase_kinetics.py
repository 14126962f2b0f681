"""Fractions of anions and phases against time, with the laws by which they change."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.analysis.growth.phase_kinetics import GAINED
from interphase_flows.analysis.phases.phases import ATOMS
from interphase_flows.analysis.phases.results import SharesKinetics
from interphase_flows.report.figures.growth import draw_laws
from interphase_flows.report.figures.style import figure_style

Arrays = Mapping[str, NDArray[np.floating]]
PER_ROW = 3
PANEL_INCHES = 2.5


def share_kinetics_figure(kinetics: SharesKinetics, arrays: Arrays) -> Figure:
    """Draw each fraction in its own panel, with the chosen law or all laws that the data do not distinguish."""
    shown = list(kinetics.fitted())
    n_rows = -(-len(shown) // PER_ROW)
    with figure_style():
        figure = Figure(figsize=(9.6, PANEL_INCHES * n_rows))
        panels = figure.subplots(n_rows, PER_ROW, squeeze=False, sharex=True)
        for axes, (group, name, law) in zip(panels.flat, shown, strict=False):
            time = arrays["phases.map_time_ps" if group == ATOMS else "phases.anion_time_ps"]
            sign = 1.0 if law.direction == GAINED else -1.0
            share = arrays[f"phases.share {group}: {name}"]
            draw_laws(axes, time, share, law, law.start_share, sign)
            if law.candidates:
                axes.legend(loc="best", fontsize=7)
            axes.set(title=f"{name}: {law.decision.replace('_', ' ')}", ylim=(-0.02, None))
            axes.set_ylabel(f"Fraction of {group}", fontsize=8)
        for axes in panels.flat[len(shown) :]:
            axes.set_visible(False)
        for column in range(PER_ROW):
            last = [axes for axes in panels[:, column] if axes.get_visible()]
            if last:
                last[-1].set_xlabel("Time (ps)")
                last[-1].tick_params(labelbottom=True)
    return figure
