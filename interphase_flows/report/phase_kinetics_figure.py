"""Shares of anions and phases against time, with the laws by which they change."""

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.analysis.kinetics.growth import LAWS
from interphase_flows.analysis.survey.phase_kinetics import GAINED
from interphase_flows.analysis.survey.phases import ATOMS
from interphase_flows.analysis.survey.plain import kinetics_of
from interphase_flows.report.style import CYCLE, DASHES, GREY, VERMILION, figure_style

Arrays = Mapping[str, NDArray[np.floating]]
PER_ROW = 3
PANEL_INCHES = 2.5


def fitted_shares(kinetics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield what a share is of, its name and its kinetics, of those that have any."""
    for group, answers in kinetics["shares"].items():
        for name, answer in answers.items():
            if "refused" not in answer:
                yield group, name, answer


def share_kinetics_figure(kinetics: Mapping[str, Any], arrays: Arrays) -> Figure:
    """Draw every share that has kinetics in a panel of its own, with the chosen law or all that are left."""
    shown = list(fitted_shares(kinetics))
    n_rows = -(-len(shown) // PER_ROW)
    with figure_style():
        figure = Figure(figsize=(9.6, PANEL_INCHES * n_rows))
        panels = figure.subplots(n_rows, PER_ROW, squeeze=False, sharex=True)
        for axes, (group, name, answer) in zip(panels.flat, shown, strict=False):
            time = arrays["phases.map_time_ps" if group == ATOMS else "phases.anion_time_ps"]
            _panel(axes, time, arrays[f"phases.share {group}: {name}"], answer)
            axes.set(title=f"{name}: {answer['decision'].replace('_', ' ')}", ylim=(-0.02, None))
            axes.set_ylabel(f"share of {group}", fontsize=8)
        for axes in panels.flat[len(shown) :]:
            axes.set_visible(False)
        for column in range(PER_ROW):
            last = [axes for axes in panels[:, column] if axes.get_visible()]
            if last:
                last[-1].set_xlabel("time (ps)")
                last[-1].tick_params(labelbottom=True)
    return figure


def _panel(
    axes: Axes, time: NDArray[np.floating], share: NDArray[np.floating], answer: Mapping[str, Any]
) -> None:
    kinetics = kinetics_of(answer)
    laws = {law.name: law for law in LAWS}
    axes.plot(time, share, ".", color=GREY, markersize=2.5)
    fitted = np.asarray(time[time <= kinetics.fitted_until_ps], dtype=float)
    sign = 1.0 if answer["direction"] == GAINED else -1.0
    for estimate, colour, dashes in zip(kinetics.candidates, cycle(CYCLE), cycle(DASHES), strict=False):
        numbers = np.array([interval.value for interval in estimate.parameters.values()])
        curve = answer["start_share"] + sign * laws[estimate.law].curve(fitted, numbers)
        axes.plot(fitted, curve, color=colour, linestyle=dashes, label=estimate.law.replace("_", " "))
        if (crossover := estimate.parameters.get("crossover_ps")) is not None:
            axes.axvspan(crossover.lower, crossover.upper, color=colour, alpha=0.25, linewidth=0)
    if kinetics.depletion is not None:
        axes.axvspan(kinetics.depletion.time_ps, time[-1], color=VERMILION, alpha=0.12, linewidth=0)
    if kinetics.candidates:
        axes.legend(loc="best", fontsize=7)
