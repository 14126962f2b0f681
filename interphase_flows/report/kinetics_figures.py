"""Figures of growth and of whether it stops, from results of `analysis.kinetics` and `analysis.passivation`."""

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from interphase_flows.analysis.kinetics.growth import LAWS, GrowthKinetics
from interphase_flows.analysis.passivation.verdict import Verdict
from interphase_flows.report.style import BLACK, BLUE, CYCLE, DASHES, GREY, VERMILION, figure_style


def growth_figure(time_ps: ArrayLike, values: ArrayLike, kinetics: GrowthKinetics, label: str) -> Figure:
    """Draw a series with the chosen law, or with all that cannot be told apart, and what was left out.

    Parameters
    ----------
    time_ps, values
        The series that was fitted, (n_frames,) each.
    kinetics
        What was found.
    label
        What the values are, with their unit.
    """
    time = np.asarray(time_ps, dtype=float)
    laws = {law.name: law for law in LAWS}
    with figure_style():
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        axes.plot(time, np.asarray(values, dtype=float), ".", color=GREY, markersize=2.5)
        fitted = time[time <= kinetics.fitted_until_ps]
        for estimate, colour, dashes in zip(kinetics.candidates, cycle(CYCLE), cycle(DASHES), strict=False):
            numbers = np.array([interval.value for interval in estimate.parameters.values()])
            curve = laws[estimate.law].curve(fitted, numbers)
            axes.plot(fitted, curve, color=colour, linestyle=dashes, label=estimate.law.replace("_", " "))
            if (crossover := estimate.parameters.get("crossover_ps")) is not None:
                axes.axvspan(crossover.lower, crossover.upper, color=colour, alpha=0.25, linewidth=0)
                axes.axvline(crossover.value, color=colour, linewidth=0.8)
        if kinetics.depletion is not None:
            axes.axvspan(kinetics.depletion.time_ps, time[-1], color=VERMILION, alpha=0.12, linewidth=0)
            axes.text(
                kinetics.depletion.time_ps, 0.03, f" {kinetics.depletion.reservoir} exhausted",
                transform=axes.get_xaxis_transform(), fontsize=8.5, color=VERMILION,
            )  # fmt: skip
        axes.set(xlabel="time (ps)", ylabel=label, title=kinetics.decision.replace("_", " "))
        if kinetics.candidates:
            axes.legend(loc="upper left")
    return figure


def verdict_figure(verdict: Verdict) -> Figure:
    """Draw the rates of the last two windows, in units of each quantity's epsilon, with their intervals."""
    with figure_style():
        figure = Figure(figsize=(6.4, 2.0 + 0.4 * len(verdict.checks)))
        axes = figure.subplots()
        axes.axvspan(-1, 1, color=BLUE, alpha=0.12, linewidth=0, label="within ± epsilon")
        for row, check in enumerate(verdict.checks.values()):
            for shift, window, marker in (
                (-0.12, check.windows_per_ps[0], "o"),
                (0.12, check.windows_per_ps[1], "s"),
            ):
                if not check.epsilon_per_ps > 0:
                    continue
                value, lower, upper = (
                    x / check.epsilon_per_ps for x in (window.value, window.lower, window.upper)
                )
                axes.plot([lower, upper], [row + shift] * 2, color=BLACK, linewidth=1.2)
                axes.plot(value, row + shift, marker, color=BLACK, markersize=4)
        axes.set_yticks(range(len(verdict.checks)), list(verdict.checks))
        axes.set_xscale("symlog", linthresh=2.0)
        widest = max(2.0, *np.abs(axes.get_xlim()))
        ticks = [tick for tick in (-100, -10, -1, 0, 1, 10, 100) if abs(tick) <= 1.1 * widest]
        axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(xlabel="rate in the last two windows (● first, ■ last) / epsilon", title=verdict.state)
        axes.invert_yaxis()
        axes.legend(loc="lower right")
    return figure
