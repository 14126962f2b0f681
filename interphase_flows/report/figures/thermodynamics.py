"""Figures of predicted thermodynamics: reactions on the mixing line, and the electrochemical stability window."""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from interphase_flows.report.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, figure_style
from interphase_flows.report.inputs.campaign import ReferenceLabels
from interphase_flows.report.inputs.interphase import Thermodynamics
from interphase_flows.report.text.numbers import minus

BEYOND_V = 0.6
"""Length of the axis beyond the last change of products."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def reaction_kinks(thermodynamics: Thermodynamics | None, reference: ReferenceLabels) -> Figure | None:
    """Draw the reaction energy along the mixing line, with the reaction of each kink and intervals where known."""
    if thermodynamics is None or not thermodynamics.kinks:
        return None
    kinks = thermodynamics.kinks
    above_hull = thermodynamics.document.prediction.electrolyte_above_hull_eV_per_atom
    with figure_style():
        figure = Figure(figsize=(9.6, max(3.7, 0.9 + 0.55 * len(kinks))))
        axes = figure.subplots()
        x = [0.0, *(float(kink.x_electrode) for kink, _ in kinks), 1.0]
        y = [-above_hull, *(kink.energy_eV_per_atom for kink, _ in kinks), 0.0]
        axes.plot(x, y, color=BLUE, marker="o", markersize=5, zorder=3)
        for (kink, error), letter in zip(kinks, LETTERS, strict=False):
            place = float(kink.x_electrode)
            if error is not None:
                interval = error.energy_eV_per_atom
                axes.plot([place] * 2, [interval.lower, interval.upper], color=BLACK, linewidth=1.2)
            axes.annotate(
                letter,
                (place, kink.energy_eV_per_atom),
                (8, -13),
                textcoords="offset points",
                ha="center",
                fontweight="bold",
                fontsize=9,
            )
        for number, ((kink, _), letter) in enumerate(zip(kinks, LETTERS, strict=False)):
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
            xlabel="Fraction of atoms from the electrode, x",
            ylabel="Reaction energy (eV/atom)",
            title=f"Hull of {reference.short} energies, 0 K",
        )
        axes.axhline(0, color=BLACK, linewidth=0.8)
    return figure


def window_bar(thermodynamics: Thermodynamics | None, electrolyte: str) -> Figure | None:
    """Draw the voltages at which the electrolyte is reduced, stable or oxidised, with the products of each range."""
    if thermodynamics is None or thermodynamics.document.prediction.window is None:
        return None
    window, errors = thermodynamics.document.prediction.window, thermodynamics.document.prediction.errors
    end = max(stage.lower_V for stage in window.stages) + BEYOND_V
    with figure_style():
        figure = Figure(figsize=(9.6, 1.5 + 0.36 * len(window.stages)))
        axes = figure.subplots()
        for row, stage in enumerate(window.stages):
            lower = stage.lower_V
            colour = VERMILION if stage.taken_up > 0 else ORANGE if stage.taken_up < 0 else GREEN
            width = (end if stage.upper_V is None else stage.upper_V) - lower
            hatch = "//" if colour == GREEN and not window.is_on_hull else None
            axes.barh(row, width, left=lower, height=0.62, color=colour, hatch=hatch, edgecolor="white", zorder=3)
            products = textwrap.shorten(stage.reaction.split(" → ")[-1], 46, placeholder=" …")
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
            (window.reduction_V, errors.reduction_V if errors else None),
            (window.oxidation_V, errors.oxidation_V if errors else None),
        ):
            if value is not None:
                axes.axvline(value, color=BLACK, linewidth=0.9, linestyle="--", zorder=2)
            if interval is not None:
                axes.axvspan(interval.lower, interval.upper, color=GREY, alpha=0.25, linewidth=0, zorder=1)
        axes.set_yticks(
            range(len(window.stages)),
            [_exchanged(float(stage.taken_up), window.element) for stage in window.stages],
        )
        axes.set_xticks(np.arange(0, end + 0.01, 0.5 if end < 6 else 1.0))
        # room for the products to the right of the bars
        axes.set_xlim(0, 1.32 * end)
        axes.grid(visible=False, axis="y")
        state = "" if window.is_on_hull else " (metastable; hatched: window of its decomposition products)"
        axes.set(xlabel=f"Voltage against {window.element} (V)", title=f"{electrolyte}{state}")
    return figure


def _exchanged(taken_up: float, element: str) -> str:
    """Return the number of atoms that a formula unit takes up (+) or releases (−)."""
    if abs(taken_up) < 1e-9:
        return "stable"
    return f"{'+' if taken_up > 0 else '−'}{abs(taken_up):.3g} {element}"
