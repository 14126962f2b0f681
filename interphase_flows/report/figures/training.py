"""Figure of the training: errors of every member of every committee against the epoch."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from interphase_flows.report.figures.style import BLACK, CYCLE, GREY, figure_style
from interphase_flows.report.inputs.learning import FloatArray, IterationErrors, TrainingCurve

MEV = 1000.0
_Curves = Callable[[TrainingCurve], tuple[FloatArray, FloatArray]]
"""Errors of the validation and of the training set."""


def training_curves(iterations: Sequence[IterationErrors]) -> Figure | None:
    """Draw loss and force error of all members against the epoch, one iteration after the other; None without data."""
    shown = [each for each in iterations if any(len(curve.validation_loss) for curve in each.training)]
    if not shown:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 4.6))
        loss, forces = figure.subplots(2, 1, sharex=True)
        _draw(loss, shown, lambda c: (c.validation_loss, c.training_loss))
        _draw(
            forces,
            shown,
            lambda c: (MEV * c.validation_force_rmse_eV_per_angstrom, MEV * c.training_force_rmse_eV_per_angstrom),
        )
        loss.set(title="Loss", ylabel="Weighted sum of RMSEs")
        forces.set(title="Forces", ylabel="RMSE (meV/Å)", xlabel="Epoch, over all iterations")
        members = sorted({curve.member for each in shown for curve in each.training})
        handles = [Line2D([], [], color=_colour(member), label=f"member {member}") for member in members]
        handles += [
            Line2D([], [], color=BLACK, label="validation set"),
            Line2D([], [], color=BLACK, linestyle=":", linewidth=1, label="training set"),
            Line2D([], [], color=BLACK, marker="o", linestyle="", markersize=5, label="potential used"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize=8)
    return figure


def _draw(axes: Axes, shown: Sequence[IterationErrors], curves: _Curves) -> None:
    start, can_be_log = 0, False
    for each in shown:
        for curve in each.training:
            validation, training = curves(curve)
            name, colour = f"it. {each.iteration.index}, member {curve.member}", _colour(curve.member)
            for values, kind, line, width in (
                (training, "training set", ":", 1.0),
                (validation, "validation set", "-", 1.4),
            ):
                can_be_log |= bool(np.any(values > 0))
                epochs = start + 1 + np.arange(len(values))
                axes.plot(epochs, values, line, linewidth=width, color=colour, label=f"{name}, {kind}")
            if curve.best_epoch < len(validation):
                point = start + 1 + curve.best_epoch, validation[curve.best_epoch]
                axes.plot(*point, "o", color=colour, markersize=5, label=f"{name}, potential used")
        axes.annotate(
            f"it. {each.iteration.index}",
            (start + 0.5, 0),
            (3, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
        )
        if start:
            axes.axvline(start + 0.5, color=GREY, linewidth=0.8)
        start += max(len(curve.validation_loss) for curve in each.training)
    if can_be_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlim(0.5, start + 0.5)


def _colour(member: int) -> str:
    return CYCLE[member % len(CYCLE)]
