"""Figures of production runs from their frames: temperature, energy and stress, and ligands per centre."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interphase_flows.report.figures.style import BLUE, CYCLE, GREY, VERMILION, figure_style
from interphase_flows.report.inputs.trajectories import LigandCounts, RunTraces


def traces_figure(traces: Sequence[RunTraces]) -> Figure | None:
    """Draw temperature, potential energy and, at constant pressure, normal stress against time; None without frames."""
    shown = [each for each in traces if len(each.time_ps)]
    if not shown:
        return None
    with_stress = any(len(each.normal_stress_GPa) for each in shown)
    with figure_style():
        figure = Figure(figsize=(9.6, 5.4 if with_stress else 3.9))
        panels = figure.subplots(2 + with_stress, 1, sharex=True)
        for number, each in enumerate(shown):
            colour = CYCLE[number % len(CYCLE)]
            panels[0].plot(each.time_ps, each.temperature_K, color=colour, linewidth=1, label=each.run)
            panels[1].plot(each.time_ps, each.potential_energy_eV_per_atom, color=colour, linewidth=1, label=each.run)
            if with_stress and len(each.normal_stress_GPa):
                panels[2].errorbar(
                    each.segment_ps.mean(axis=1),
                    each.normal_stress_GPa,
                    yerr=np.nan_to_num(each.normal_stress_standard_error_GPa),
                    xerr=np.diff(each.segment_ps, axis=1)[:, 0] / 2,
                    fmt="o",
                    markersize=4,
                    color=colour,
                    label=each.run,
                )
        for target in sorted({each.temperature_target_K for each in shown}):
            panels[0].axhline(target, color=GREY, linestyle="--", linewidth=1, label=f"thermostat, {target:g} K")
        panels[0].set(title="Temperature", ylabel="K")
        panels[1].set(title="Potential energy", ylabel="eV/atom")
        if with_stress:
            for pressure in sorted({p for each in shown if (p := each.pressure_target_GPa) is not None}):
                panels[2].axhline(-pressure, color=GREY, linestyle="--", linewidth=1, label="minus external pressure")
            panels[2].set(title="Normal stress, mean of each segment (tension positive)", ylabel="GPa")
        panels[-1].set_xlabel("Time (ps)")
        panels[0].set_xlim(0, max(float(each.time_ps[-1]) for each in shown) or None)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return figure


def ligand_counts_figure(counts: Sequence[LigandCounts]) -> Figure | None:
    """Draw the fraction of centres by their number of ligands, at the start and at the end; None without centres."""
    if not counts:
        return None
    with figure_style():
        figure = Figure(figsize=(max(4.8, 3.2 * len(counts)), 3.1))
        for axes, each in zip(figure.subplots(1, len(counts), squeeze=False)[0], counts, strict=True):
            number = np.arange(each.fractions.value.shape[1])
            errors = each.fractions.standard_error
            for when, (label, colour, shift) in enumerate(
                (("first tenth", BLUE, -0.2), ("last tenth", VERMILION, 0.2))
            ):
                error = None if each.n_replicas < 2 or errors is None else 100 * errors[when]
                height = 100 * each.fractions.value[when]
                axes.bar(number + shift, height, 0.38, yerr=error, color=colour, ecolor=GREY, label=label)
            interval = "n = 1, no interval" if each.n_replicas < 2 else f"± standard error, n = {each.n_replicas}"
            axes.set(
                title=f"{each.ligand} per {each.centre} ({interval})",
                xlabel=f"{each.ligand} within {each.longest_bond_angstrom:.2f} Å",
                ylabel=f"Fraction of {each.centre} (%)",
            )
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(visible=False, axis="x")
            axes.legend(loc="best", fontsize=8)
    return figure
