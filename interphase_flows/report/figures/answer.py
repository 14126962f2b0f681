"""Figure at the top of a report: how thick the interphase becomes, and what forms."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interphase_flows.analysis.phases.results import PhasesAverage
from interphase_flows.report.figures.style import BLUE, CYCLE, DASHES, GREY, figure_style
from interphase_flows.report.inputs.campaign import ReportInputs
from interphase_flows.report.inputs.interphase import FloatArray, SeriesBand

SMALLEST_FRACTION = 0.01
"""Anions with a smaller fraction of the centres at all times are not drawn."""


def answer_figure(inputs: ReportInputs) -> Figure | None:
    """Draw thickness and anions against time, and the phases at the end; None if there is none of them."""
    phases = None if inputs.analyses is None else inputs.analyses.averages.get("phases")
    panels: list[Callable[[Axes], None]] = []
    if inputs.thickness:
        panels.append(lambda axes: _thickness(axes, inputs))
    if (anions := inputs.environments) is not None and _drawn_anions(anions):
        panels.append(lambda axes: _anions(axes, anions))
    if isinstance(phases, PhasesAverage) and phases.phases:
        panels.append(lambda axes: _phases(axes, phases))
    if not panels:
        return None
    with figure_style():
        figure = Figure(figsize=(3.6 * len(panels), 3.3))
        for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw(axes)
    return figure


def _band(axes: Axes, band: SeriesBand, index: int, order: int, label: str, scale: float = 1.0) -> None:
    """Draw a mean over replicas with its standard error."""
    colour, mean = CYCLE[order % len(CYCLE)], scale * band.curves.value[:, index]
    axes.plot(band.time_ps, mean, color=colour, linestyle=DASHES[order % len(DASHES)], label=label)
    errors = band.curves.standard_error
    if errors is not None and np.isfinite(errors[:, index]).any():
        error = scale * errors[:, index]
        axes.fill_between(band.time_ps, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)


def _thickness(axes: Axes, inputs: ReportInputs) -> None:
    for order, (side, band) in enumerate(inputs.thickness.items()):
        _band(axes, band, 0, order, f"{side} the electrode")
    for label, order, time_ps, thickness in _other_runs(inputs):
        axes.plot(time_ps, thickness, color=GREY, linewidth=0.7, linestyle=DASHES[order % len(DASHES)], label=label)
    axes.set(title="Thickness of the interphase", xlabel="Time (ps)", ylabel="Thickness (Å)")
    axes.set_ylim(0, None)
    axes.legend(loc="best")


def _other_runs(inputs: ReportInputs) -> Iterator[tuple[str, int, FloatArray, FloatArray]]:
    """Yield label, index of the side, times and thickness of runs that are not averaged."""
    if (results := inputs.analyses) is None:
        return
    for run, (order, side) in product(results.other_runs, enumerate(inputs.thickness)):
        if (found := results.arrays.get(f"{run}/{side}.thickness_angstrom")) is not None:
            summary = results.trajectories[run]
            is_hot_or_cold = summary.temperature_K not in (None, results.averaged_temperature_K)
            label = f"{side}, {f'{summary.temperature_K:g} K' if is_hot_or_cold else run}"
            yield label, order, results.arrays[f"{run}/{side}.time_ps"], found


def _drawn_anions(band: SeriesBand) -> list[int]:
    """Return the columns that are drawn; none in a cell without centres of anions."""
    return np.flatnonzero((np.asarray(band.curves.value) >= SMALLEST_FRACTION).any(axis=0)).tolist()


def _anions(axes: Axes, band: SeriesBand) -> None:
    for order, index in enumerate(_drawn_anions(band)):
        _band(axes, band, index, order, band.names[index], scale=100)
    axes.set(title="Centres of anions", xlabel="Time (ps)", ylabel="Fraction (%)")
    axes.set_ylim(0, None)
    axes.legend(loc="best", fontsize=8)


def _phases(axes: Axes, average: PhasesAverage) -> None:
    names = list(average.phases)[::-1]
    amounts = [average.phases[name].atom_fraction for name in names]
    errors = [100 * (each.standard_error or 0.0) for each in amounts]
    axes.barh(names, [100 * float(each.value) for each in amounts], xerr=errors, color=BLUE, ecolor=GREY, height=0.6)
    axes.set(title="Phases at the end", xlabel="Atoms of the cell (%)")
    axes.grid(visible=False, axis="y")
