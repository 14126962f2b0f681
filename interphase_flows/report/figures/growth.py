"""Figures of growth laws and of the rates behind a verdict."""

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike, NDArray

from interphase_flows.analysis.growth.kinetics import LAWS, GrowthKinetics
from interphase_flows.analysis.passivation.history import GROWTH, RateHistory
from interphase_flows.analysis.passivation.verdict import Verdict
from interphase_flows.report.figures.style import BLACK, BLUE, CYCLE, DASHES, GREY, VERMILION, figure_style


def growth_figure(time_ps: ArrayLike, values: ArrayLike, kinetics: GrowthKinetics, label: str) -> Figure:
    """Draw a series with the chosen law, or all laws that the data do not distinguish, and the excluded frames.

    Parameters
    ----------
    time_ps, values
        The series that was fitted, (n_frames,) each.
    kinetics
        Result of the fits.
    label
        Quantity and unit of the values.
    """
    time = np.asarray(time_ps, dtype=float)
    with figure_style():
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        draw_laws(axes, time, np.asarray(values, dtype=float), kinetics)
        if kinetics.depletion is not None:
            axes.text(
                kinetics.depletion.time_ps, 0.03, f" {kinetics.depletion.reservoir} exhausted",
                transform=axes.get_xaxis_transform(), fontsize=8.5, color=VERMILION,
            )  # fmt: skip
        axes.set(xlabel="Time (ps)", ylabel=label, title=kinetics.decision.replace("_", " "))
        if kinetics.candidates:
            axes.legend(loc="upper left")
    return figure


def draw_laws(
    axes: Axes,
    time_ps: NDArray[np.floating],
    values: NDArray[np.floating],
    kinetics: GrowthKinetics,
    start: float = 0.0,
    sign: float = 1.0,
) -> None:
    """Draw a series, the laws that agree with it, their crossovers, and the excluded frames.

    Parameters
    ----------
    axes
        To draw on.
    time_ps, values
        (n_frames,) each.
    kinetics
        Of the change of the values: they are ``start + sign * law``.
    start, sign
        Of the values.
    """
    laws = {law.name: law for law in LAWS}
    axes.plot(time_ps, values, ".", color=GREY, markersize=2.5)
    fitted = np.asarray(time_ps[time_ps <= kinetics.fitted_until_ps], dtype=float)
    for estimate, colour, dashes in zip(kinetics.candidates, cycle(CYCLE), cycle(DASHES), strict=False):
        numbers = np.array([interval.value for interval in estimate.parameters.values()])
        curve = start + sign * laws[estimate.law].curve(fitted, numbers)
        axes.plot(fitted, curve, color=colour, linestyle=dashes, label=estimate.law.replace("_", " "))
        if (crossover := estimate.parameters.get("crossover_ps")) is not None:
            axes.axvspan(crossover.lower, crossover.upper, color=colour, alpha=0.25, linewidth=0)
            axes.axvline(crossover.value, color=colour, linewidth=0.8)
    if kinetics.depletion is not None:
        axes.axvspan(kinetics.depletion.time_ps, time_ps[-1], color=VERMILION, alpha=0.12, linewidth=0)


def verdict_figure(verdict: Verdict) -> Figure:
    """Draw the rates of the last two windows, in units of each quantity's epsilon, with their intervals."""
    with figure_style():
        figure = Figure(figsize=(6.4, 2.0 + 0.4 * len(verdict.checks)))
        axes = figure.subplots()
        axes.axvspan(-1, 1, color=BLUE, alpha=0.12, linewidth=0, label="within ± epsilon")
        for row, check in enumerate(verdict.checks.values()):
            if not check.epsilon_per_ps > 0:
                axes.text(0.0, row, "no epsilon", color=VERMILION, fontsize="small", ha="center", va="center")
                continue
            for shift, window, marker in (
                (-0.12, check.windows_per_ps[0], "o"),
                (0.12, check.windows_per_ps[1], "s"),
            ):
                value, lower, upper = (x / check.epsilon_per_ps for x in (window.value, window.lower, window.upper))
                axes.plot([lower, upper], [row + shift] * 2, color=BLACK, linewidth=1.2)
                axes.plot(value, row + shift, marker, color=BLACK, markersize=4)
        axes.set_yticks(range(len(verdict.checks)), list(verdict.checks))
        axes.set_xscale("symlog", linthresh=2.0)
        widest = max(2.0, *np.abs(axes.get_xlim()))
        ticks = [tick for tick in (-100, -10, -1, 0, 1, 10, 100) if abs(tick) <= 1.1 * widest]
        axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(xlabel="Rate in the last two windows (● first, ■ last) / epsilon", title=verdict.state)
        axes.set_ylim(len(verdict.checks) - 0.5, -0.5)
        axes.legend(loc="lower right")
    return figure


def rates_figure(verdict: Verdict, rates: RateHistory) -> Figure:
    """Draw the magnitude of every rate in consecutive windows, with its epsilon.

    Points are magnitudes, bars their 95 % intervals, and the step line the upper bounds: an interphase is passivated if
    this line stays below epsilon. Bars of rates that may be zero reach the lower edge. Without an initial rate there is
    no epsilon.

    Parameters
    ----------
    verdict
        With the epsilon of each quantity.
    rates
        Rates in consecutive windows.
    """
    edges = rates.edges_ps
    middle = 0.5 * (edges[1:] + edges[:-1])
    boundaries = list(dict.fromkeys(name.partition(" at ")[2] for name in verdict.checks if name != GROWTH))
    species = list(dict.fromkeys(name.partition(" at ")[0] for name in verdict.checks if name != GROWTH))
    with figure_style():
        figure = Figure(figsize=(2.2 + 2.5 * len(species), 0.7 + 2.2 * len(boundaries)))
        grid = figure.subplots(len(boundaries), 1 + len(species), squeeze=False, sharex=True)
        places = {GROWTH: grid[0, 0]} | {
            f"{symbol} at {plane}" if plane else symbol: grid[row, 1 + column]
            for row, plane in enumerate(boundaries)
            for column, symbol in enumerate(species)
        }
        for name, check in verdict.checks.items():
            rate = rates.rates_per_ps[name]
            value, lower, upper = rate.value, rate.lower, rate.upper
            size, bound = np.abs(value), np.maximum(np.abs(lower), np.abs(upper))
            least = np.maximum(np.maximum(lower, -upper), 0.0)
            axes = places[name]
            epsilon = check.epsilon_per_ps
            largest = max(float(bound.max()), epsilon)
            # at most five decades: windows without crossings have a rate of zero
            floor = 0.3 * min((x for x in (epsilon, *bound) if x > 1e-5 * largest), default=1.0)
            axes.stairs(bound, edges, color=BLACK, linewidth=1.2, baseline=None)
            axes.vlines(middle, np.maximum(least, floor), np.maximum(bound, floor), color=BLUE, linewidth=1.0)
            axes.plot(middle, np.maximum(size, floor), "o", color=BLUE, markersize=3.5)
            if epsilon > 0:
                axes.axhspan(floor, epsilon, color=BLUE, alpha=0.12, linewidth=0)
                axes.axhline(epsilon, color=VERMILION, linestyle="--", linewidth=1.2)
            else:
                axes.text(0.03, 0.04, "no epsilon", transform=axes.transAxes, fontsize=8, color=VERMILION)
            axes.set_yscale("log")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_ylim(floor, 2.0 * max(largest, floor))
            of = "" if check.epsilon_is_of == name or not epsilon > 0 else f"\n(ε of {check.epsilon_is_of})"
            axes.set_title("|dh/dt|, Å/ps" if name == GROWTH else f"|J|, {name}{of}", fontsize=9.5)
        for row in range(len(boundaries)):
            grid[row, 1].set_ylabel("atoms/(nm² ps)")
            for axes in grid[-1, 1:]:
                axes.set_xlabel("Time (ps)")
        grid[0, 0].set_xlabel("Time (ps)")
        grid[0, 0].tick_params(labelbottom=True)
        key = [
            Line2D([], [], color=BLUE, marker="o", markersize=3.5, linewidth=1.0, label="rate, 95 %"),
            Line2D([], [], color=BLACK, linewidth=1.2, label="upper 95 % bound"),
            Line2D([], [], color=VERMILION, linestyle="--", linewidth=1.2, label="epsilon"),
        ]
        for axes in grid[1:, 0]:
            axes.axis("off")
        (grid[1, 0] if len(boundaries) > 1 else grid[0, 0]).legend(handles=key, loc="upper left")
    return figure
