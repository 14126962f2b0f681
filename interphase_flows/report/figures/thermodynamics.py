"""Figures of what thermodynamics predicts: the mixing line, and the stability window as a bar of voltages."""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from interphase_flows.report.collect.thermodynamics_inputs import Thermodynamics
from interphase_flows.report.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, figure_style
from interphase_flows.report.inputs import ReferenceMethod
from interphase_flows.report.text.numbers import minus

BEYOND_V = 0.6
"""How far the bar goes on above the last voltage at which something changes."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def reaction_kinks(thermodynamics: Thermodynamics | None, reference: ReferenceMethod) -> Figure | None:
    """Reaction energy along the mixing line, products named at the kinks, with intervals if there are any."""
    if thermodynamics is None or not thermodynamics.kinks:
        return None
    kinks = sorted(thermodynamics.kinks, key=lambda kink: kink.x_electrode)
    with figure_style():
        figure = Figure(figsize=(9.6, max(3.7, 0.9 + 0.55 * len(kinks))))
        axes = figure.subplots()
        x = [0.0, *(k.x_electrode for k in kinks), 1.0]
        y = [-thermodynamics.electrolyte_above_hull_eV_per_atom, *(k.energy_eV_per_atom for k in kinks), 0.0]
        axes.plot(x, y, color=BLUE, marker="o", markersize=5, zorder=3)
        for kink, letter in zip(kinks, LETTERS, strict=False):
            if (interval := kink.interval_eV_per_atom) is not None:
                axes.plot(
                    [kink.x_electrode] * 2, [interval.lower, interval.upper], color=BLACK, linewidth=1.2
                )
            axes.annotate(
                letter,
                (kink.x_electrode, kink.energy_eV_per_atom),
                (8, -13),
                textcoords="offset points",
                ha="center",
                fontweight="bold",
                fontsize=9,
            )
        for number, (kink, letter) in enumerate(zip(kinks, LETTERS, strict=False)):
            axes.annotate(
                f"{letter}   {kink.reaction}\n     x = {kink.x_electrode_exact},  "
                f"{minus(f'{kink.energy_eV_per_atom:.3f}')} eV/atom",
                (1.0, 0.94 - 0.17 * number * min(1.0, 5 / len(kinks))),
                (14, 0),
                xycoords="axes fraction",
                textcoords="offset points",
                va="top",
                fontsize=9,
                annotation_clip=False,
            )
        low = min(y)
        axes.set(
            xlim=(0, 1),
            ylim=(1.22 * low if low < 0 else -0.1, 0.06 * abs(low) + 0.01),
            xlabel="Share of atoms from the electrode, x",
            ylabel="Reaction energy (eV/atom)",
            title=f"Hull of {reference.short} energies, 0 K",
        )
        axes.axhline(0, color=BLACK, linewidth=0.8)
    return figure


def window_bar(thermodynamics: Thermodynamics | None, electrolyte: str) -> Figure | None:
    """Voltages against the electrode's element: reduced, stable, oxidised, with the products of each range."""
    if thermodynamics is None or thermodynamics.window is None:
        return None
    window = thermodynamics.window
    end = max(lower for lower, *_ in window.stages) + BEYOND_V
    with figure_style():
        figure = Figure(figsize=(9.6, 1.5 + 0.36 * len(window.stages)))
        axes = figure.subplots()
        for row, (lower, upper, taken_up, reaction) in enumerate(window.stages):
            colour = GREEN if abs(taken_up) < 1e-9 else VERMILION if taken_up > 0 else ORANGE
            width = (end if upper is None else upper) - lower
            hatch = "//" if colour == GREEN and not window.is_on_hull else None
            axes.barh(
                row, width, left=lower, height=0.62, color=colour, hatch=hatch, edgecolor="white", zorder=3
            )
            products = textwrap.shorten(reaction.split(" → ")[-1], 46, placeholder=" …")
            axes.annotate(
                products,
                (lower + width, row),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
            )
        for value, interval in (
            (window.reduction_V, window.reduction_interval_V),
            (window.oxidation_V, window.oxidation_interval_V),
        ):
            if value is not None:
                axes.axvline(value, color=BLACK, linewidth=0.9, linestyle="--", zorder=2)
            if interval is not None:
                axes.axvspan(interval.lower, interval.upper, color=GREY, alpha=0.25, linewidth=0, zorder=1)
        axes.set_yticks(
            range(len(window.stages)),
            [_exchanged(taken_up, window.element) for _, _, taken_up, _ in window.stages],
        )
        axes.set_xticks(np.arange(0, end + 0.01, 0.5 if end < 6 else 1.0))
        # products stand to the right of their bar: leave them room
        axes.set_xlim(0, 1.32 * end)
        axes.grid(visible=False, axis="y")
        state = (
            "" if window.is_on_hull else " (metastable: hatched is the window of the phases it falls into)"
        )
        axes.set(xlabel=f"Voltage against {window.element} (V)", title=f"{electrolyte}{state}")
    return figure


def _exchanged(taken_up: float, element: str) -> str:
    """Say how many atoms a formula unit takes up or gives up."""
    if abs(taken_up) < 1e-9:
        return "stable"
    return f"{'+' if taken_up > 0 else '−'}{abs(taken_up):.3g} {element}"
