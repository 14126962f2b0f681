"""Figure of what the labels of each iteration taught: errors before and after them, and uncertain environments."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.figures.style import BLUE, CYCLE, GREY, VERMILION, figure_style
from interphase_flows.report.inputs.learning import IterationErrors
from interphase_flows.schemas.iteration import EnvironmentUncertainty, IterationDoc

MOST_ENVIRONMENTS = 14
SIDES = (("held_out", "random, held out", BLUE, -0.12), ("train", "selected, trained", VERMILION, 0.12))


def label_effects(iterations: Sequence[IterationErrors]) -> Figure | None:
    """Draw force errors on new labels before and after training, and uncertainties by environment; None without data."""
    shown = [each.iteration for each in iterations if each.iteration.error_changes or each.iteration.environments]
    if not shown:
        return None
    # the most uncertain environments of any iteration, the most uncertain one on top
    largest: dict[str, float] = {}
    for iteration in shown:
        for row in iteration.environments:
            largest[_name(row)] = max(largest.get(_name(row), 0.0), row.force_std_meV_per_angstrom.value)
    names = sorted(largest, key=lambda name: -largest[name])[:MOST_ENVIRONMENTS][::-1]
    with figure_style():
        figure = Figure(figsize=(9.6, max(3.2, 0.9 + 0.26 * len(names))))
        changes, uncertainties, errors = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
        _changes(changes, shown)
        _environments(uncertainties, shown, names, lambda row: row.force_std_meV_per_angstrom)
        _environments(errors, shown, names, lambda row: row.force_error_meV_per_angstrom)
        uncertainties.set(title="Uncertainty before", xlabel="Force σ (meV/Å)")
        errors.set(title="Error before", xlabel="Force error (meV/Å)", yticklabels=[])
        if len(names):
            uncertainties.legend(fontsize=8, loc="lower right")
    return figure


def _changes(axes: Axes, shown: Sequence[IterationDoc]) -> None:
    for side, name, colour, shift in SIDES:
        for iteration in shown:
            change = iteration.error_changes.get(side)  # type: ignore[call-overload]
            if change is None:
                continue
            x = iteration.index + shift
            before, after = change.before_meV_per_angstrom, change.after_meV_per_angstrom
            axes.plot(
                [x, x], [before.value, after.value], color=colour, linewidth=1, label=f"it. {iteration.index}, {name}"
            )
            for each, fill in ((before, "white"), (after, colour)):
                axes.errorbar(x, each.value, yerr=_bar(each), fmt="o", color=colour, markerfacecolor=fill, markersize=6)
        axes.plot([], [], "o", color=colour, label=name)
    axes.plot([], [], "o", color=GREY, markerfacecolor="white", label="before training")
    axes.set(title="New labels", xlabel="Iteration", ylabel="Force MAE (meV/Å)")
    axes.set_ylim(0, None)
    axes.set_xlim(min(each.index for each in shown) - 0.5, max(each.index for each in shown) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    handles, texts = axes.get_legend_handles_labels()
    kept = [index for index, text in enumerate(texts) if not text.startswith("it. ")]
    axes.legend([handles[index] for index in kept], [texts[index] for index in kept], fontsize=8)


def _environments(
    axes: Axes,
    shown: Sequence[IterationDoc],
    names: Sequence[str],
    quantity: Callable[[EnvironmentUncertainty], Estimate],
) -> None:
    for number, iteration in enumerate(shown):
        rows = {_name(row): quantity(row) for row in iteration.environments}
        found = [(place, rows[name]) for place, name in enumerate(names) if name in rows]
        if not found:
            continue
        places = np.array([place for place, _ in found]) + 0.12 * (number - (len(shown) - 1) / 2)
        values, bars = [each.value for _, each in found], [_bar(each) for _, each in found]
        axes.errorbar(
            values,
            places,
            xerr=bars,
            fmt="o",
            markersize=4.5,
            linewidth=1,
            color=CYCLE[iteration.index % len(CYCLE)],
            label=f"it. {iteration.index}",
        )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlim(0, None)


def _bar(estimate: Estimate) -> float:
    """Return the length of an error bar, none for a single frame."""
    error = estimate.standard_error
    return float(error) if error is not None and np.isfinite(error) else 0.0


def _name(row: EnvironmentUncertainty) -> str:
    return f"{row.element}, no anion" if row.anion is None else f"{row.element}, {row.anion}"
