"""Figures of active learning, production and cost: errors, parity, force uncertainty, wall time and labels.

Each function returns None if its data are missing.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interphase_flows.report.figures.style import (
    BLUE,
    CYCLE,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    figure_style,
)
from interphase_flows.report.inputs.campaign import ReferenceLabels, Spending
from interphase_flows.report.inputs.interphase import ProductionRun
from interphase_flows.report.inputs.learning import IterationErrors
from interphase_flows.report.text.numbers import duration
from interphase_flows.schemas.equations_of_state import EquationsOfStateDoc
from interphase_flows.schemas.model import CommitteeDoc

MEV = 1000.0


def learning_curve(iterations: Sequence[IterationErrors], reference: ReferenceLabels) -> Figure | None:
    """Draw errors on held-out interface frames and the fraction of uncertain frames against the number of labels."""
    if not iterations:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 3.3))
        left, middle, right = figure.subplots(1, 3)
        labels = [i.iteration.n_train for i in iterations]
        _learning(left, labels, [i.errors.forces_mae_meV_per_angstrom for i in iterations], "MAE", BLUE)
        _learning(left, labels, [i.errors.forces_rmse_meV_per_angstrom for i in iterations], "RMSE", VERMILION, "--")
        left.set(title="Forces", ylabel="Error (meV/Å)")
        left.legend()
        _learning(middle, labels, [i.errors.energy_mae_meV_per_atom for i in iterations], "MAE", BLUE)
        middle.set(title="Energies", ylabel="Error (meV/atom)")
        figure.suptitle(f"Errors against held-out {reference.short} labels", fontsize=10, x=0.01, ha="left")
        fractions = [i.iteration.fraction_above_select for i in iterations]
        shares = [np.nan if fraction is None else fraction for fraction in fractions]
        if np.isfinite(shares).any():
            _learning(right, labels, [100 * s for s in shares], "above selection level", GREEN)
        else:
            right.text(0.5, 0.5, "not measured", ha="center", transform=right.transAxes, color=GREY)
        right.set(title="Above selection level", ylabel="Fraction of audit frames (%)")
        for axes in (left, middle, right):
            axes.set_xlabel("Labels in training")
            axes.margins(x=0.12, y=0.16)
            axes.set_ylim(0, None)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def _learning(axes: Axes, x: Sequence[float], y: Sequence[float], label: str, colour: str, line: str = "-") -> None:
    axes.plot(x, y, line, marker="o", color=colour, label=label, markersize=5)
    for number, (a, b) in enumerate(zip(x, y, strict=True)):
        if label != "RMSE" and np.isfinite(b):
            axes.annotate(
                f"it. {number}",
                (a, b),
                (0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=GREY,
            )


def parity(found: IterationErrors, reference: ReferenceLabels) -> Figure | None:
    """Draw predicted against labelled energies and force components of one iteration."""
    data = found.parity
    if data is None:
        return None
    with figure_style():
        figure = Figure(figsize=(6.4, 3.2))
        energies, forces = figure.subplots(1, 2)
        shift = float(np.mean(data.reference_energy_eV_per_atom)) if len(data.reference_energy_eV_per_atom) else 0.0
        _parity(
            energies,
            MEV * (np.asarray(data.reference_energy_eV_per_atom) - shift),
            MEV * (np.asarray(data.predicted_energy_eV_per_atom) - shift),
            "Energy − mean (meV/atom)",
            12,
        )
        _parity(
            forces,
            np.ravel(data.reference_force_eV_per_angstrom),
            np.ravel(data.predicted_force_eV_per_angstrom),
            "Force component (eV/Å)",
            3,
        )
        figure.suptitle(f"Iteration {found.iteration.index}: potential against {reference.short}", fontsize=10)
    return figure


def _parity(axes: Axes, reference: np.ndarray, predicted: np.ndarray, name: str, size: float) -> None:
    if len(reference) == 0:
        axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes)
        return
    low, high = min(reference.min(), predicted.min()), max(reference.max(), predicted.max())
    pad = 0.05 * (high - low) or 1.0
    axes.plot([low - pad, high + pad], [low - pad, high + pad], color=GREY, linewidth=1, zorder=1)
    # rasterized: thousands of vector points would make the page slow
    axes.scatter(reference, predicted, s=size, color=BLUE, alpha=0.45, linewidths=0, rasterized=True, zorder=2)
    axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad), xlabel=name, ylabel="Predicted")
    axes.set_aspect("equal")
    axes.locator_params(nbins=5)
    mae = float(np.abs(predicted - reference).mean())
    axes.text(
        0.04,
        0.94,
        f"MAE {mae:.3g}\n{len(reference)} points",
        transform=axes.transAxes,
        va="top",
        fontsize=8.5,
    )


def equations_of_state(found: EquationsOfStateDoc | None, reference: ReferenceLabels) -> Figure | None:
    """Draw the stress of each bulk phase against its volume, by the potential and by its labels."""
    if found is None:
        return None
    columns = min(3, len(found.phases))
    rows = -(-len(found.phases) // columns)
    with figure_style():
        figure = Figure(figsize=(3.2 * columns, 2.5 * rows))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (phase, curves) in zip(panels, found.phases.items(), strict=False):
            volume, potential = curves.volume_angstrom3_per_atom, np.array(curves.potential_stress_GPa)
            spread = np.array(curves.potential_stress_std_GPa)
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.fill_between(volume, potential - spread, potential + spread, color=BLUE, alpha=0.25, linewidth=0)
            axes.plot(volume, potential, color=BLUE, label="potential ± std of members")
            axes.plot(volume, curves.reference_stress_GPa, "o", color=VERMILION, markersize=4, label=reference.short)
            axes.set(title=phase, xlabel="Volume (Å³ per atom)", ylabel="Stress (GPa)")
        for axes in panels[len(found.phases) :]:
            axes.set_axis_off()
        panels[0].legend(fontsize=7)
    return figure


def uncertainty(runs: Sequence[ProductionRun], committee: CommitteeDoc | None) -> Figure | None:
    """Draw the largest force uncertainty of each production run against time, with the thresholds of the committee."""
    shown = [run for run in runs if len(run.uncertainty_time_ps)]
    if not shown:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 3.4))
        axes = figure.subplots()
        top = 0.0
        for number, run in enumerate(shown):
            values = MEV * run.uncertainty_eV_per_angstrom
            top = max(top, float(np.max(values)))
            colour = CYCLE[number % len(CYCLE)]
            axes.plot(
                run.uncertainty_time_ps,
                values,
                color=colour,
                linestyle=DASHES[number % 4],
                linewidth=1.2,
                label=run.name,
            )
            if not run.is_complete:
                axes.plot(run.uncertainty_time_ps[-1], values[-1], "X", color=colour, markersize=9)
        if committee is not None:
            for name, level, colour in (
                ("select", committee.select_force_std_eV_per_angstrom, ORANGE),
                ("stop", committee.stop_force_std_eV_per_angstrom, VERMILION),
            ):
                axes.axhline(MEV * level, color=colour, linewidth=1.4, linestyle=(0, (5, 2)))
                axes.annotate(
                    f"{name} {MEV * level:.0f}",
                    (1, MEV * level),
                    (4, 0),
                    va="center",
                    color=colour,
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    fontsize=9,
                )
                top = max(top, MEV * level)
        axes.set(
            xlabel="Time (ps)",
            ylabel="Largest force σ (meV/Å)",
            ylim=(0, 1.22 * top),  # the legend is above the highest line
            xlim=(0, None),
            title="Force uncertainty of the committee in production (×: the run was stopped)",
        )
        axes.legend(ncols=min(4, len(shown)), loc="upper left", bbox_to_anchor=(0, 0.98))
    return figure


def spending_bars(spending: Spending | None) -> Figure | None:
    """Draw wall time by stage, and accepted and rejected labels."""
    if spending is None:
        return None
    with figure_style():
        figure = Figure(
            figsize=(9.6, 0.9 + 0.32 * max(3, len(spending.wall_time_s), 1 + len(spending.labels_rejected)))
        )
        times, labels = figure.subplots(1, 2)
        stages = sorted(spending.wall_time_s.items(), key=lambda item: item[1])
        bars = times.barh([s for s, _ in stages], [t / 60 for _, t in stages], color=BLUE, height=0.62)
        times.bar_label(bars, [duration(t) for _, t in stages], padding=4, fontsize=9)
        times.set(xlabel="Wall time (min)", title="Wall time by stage")
        kinds = [*sorted(spending.labels_rejected.items(), key=lambda item: item[1])]
        names = [*(f"rejected: {reason.replace('_', ' ')}" for reason, _ in kinds), "accepted"]
        counts = [*(n for _, n in kinds), spending.labels_accepted]
        bars = labels.barh(names, counts, color=[*([ORANGE] * len(kinds)), GREEN], height=0.62)
        labels.bar_label(bars, padding=4, fontsize=9)
        labels.set(xlabel="Labels", title="Labels")
        for axes in (times, labels):
            axes.margins(x=0.18)
            axes.grid(visible=False, axis="y")
    return figure
