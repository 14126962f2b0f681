"""Figure of the calibration: uncertainty of the committee against its error on held-out frames, and errors by element."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interphase_flows.report.figures.style import BLUE, CYCLE, DASHES, GREY, figure_style
from interphase_flows.report.inputs.learning import IterationErrors, ParityData
from interphase_flows.schemas.iteration import IterationDoc

MEV = 1000.0
MOST_GROUPS, FRAMES_PER_GROUP = 8, 4
"""Groups of held-out frames; each has at least four frames."""


def calibration(iterations: Sequence[IterationErrors]) -> Figure | None:
    """Draw the largest force errors of frames, their means over groups, and errors by element; None without data.

    The expected error of a frame is its uncertainty times ``error_per_std``. Groups are equal in number and sorted by
    uncertainty; on the diagonal, the error is as expected.
    """
    shown = [
        (each.iteration, each.parity)
        for each in iterations
        if each.parity is not None and len(each.parity.force_std_eV_per_angstrom)
    ]
    if not shown:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 3.3))
        frames, groups, elements = figure.subplots(1, 3)
        last, data = shown[-1]
        expected, error = _expected(last, data), np.asarray(data.largest_force_error_eV_per_angstrom)
        _diagonal(frames, expected, error)
        frames.scatter(expected, error, s=12, color=BLUE, alpha=0.6, linewidths=0)
        rank, inside = last.calibration.rank_correlation, last.calibration.coverage_of_twice_expected
        text = f"{len(error)} frames\nrank correlation {'–' if rank is None else f'{rank:.2f}'}"
        frames.text(0.04, 0.95, f"{text}\n{inside:.0%} below dashed", transform=frames.transAxes, va="top", fontsize=8)
        frames.set(title=f"Frames, iteration {last.index}", ylabel="Largest force error (eV/Å)")
        means = [_groups(*each) for each in shown]
        _diagonal(groups, *np.concatenate(means, axis=1))
        for number, ((iteration, _), (x, y)) in enumerate(zip(shown, means, strict=True)):
            groups.plot(x, y, marker="o", color=CYCLE[number % len(CYCLE)], label=f"it. {iteration.index}")
        groups.set(title="Means of groups of frames")
        groups.legend(fontsize=8, loc="lower right")
        _by_element(elements, shown)
    return figure


def _expected(iteration: IterationDoc, data: ParityData) -> np.ndarray:
    return iteration.calibration.error_per_std * np.asarray(data.force_std_eV_per_angstrom)


def _groups(iteration: IterationDoc, data: ParityData) -> np.ndarray:
    """Return mean expected and true errors of groups of frames, (2, n_groups)."""
    expected, error = _expected(iteration, data), np.asarray(data.largest_force_error_eV_per_angstrom)
    n_groups = max(1, min(MOST_GROUPS, len(expected) // FRAMES_PER_GROUP))
    parts = np.array_split(np.argsort(expected), n_groups)
    return np.array([[values[part].mean() for part in parts] for values in (expected, error)])


def _diagonal(axes: Axes, expected: np.ndarray, error: np.ndarray) -> None:
    both = np.concatenate([expected, error])
    limits = np.array([both[both > 0].min(initial=0.1) / 1.3, both.max(initial=0.1) * 1.3])
    axes.plot(limits, limits, color=GREY, linewidth=1)
    axes.plot(limits, 2 * limits, color=GREY, linewidth=1, linestyle="--")
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, xlabel="Expected error (eV/Å)")


def _by_element(axes: Axes, shown: Sequence[tuple[IterationDoc, ParityData]]) -> None:
    errors = [data.force_mae_of_element_eV_per_angstrom for _, data in shown]
    labels = [iteration.n_train for iteration, _ in shown]
    names = sorted({name for each in errors for name in each})
    for number, name in enumerate(names):
        maes = [MEV * each.get(name, np.nan) for each in errors]
        axes.plot(labels, maes, marker="o", color=CYCLE[number % len(CYCLE)], linestyle=DASHES[number % 4], label=name)
    axes.set(title="Errors by element", xlabel="Labels in training", ylabel="Force MAE (meV/Å)")
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if names:
        axes.legend(fontsize=8)
    else:
        axes.text(0.5, 0.5, "not stored", ha="center", transform=axes.transAxes, color=GREY)
