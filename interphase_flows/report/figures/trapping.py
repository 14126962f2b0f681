"""Figures of kinetic trapping: survival of labels, compared with diffusion."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from interphase_flows.analysis.passivation.results import LabelTrapping, TrappingResult
from interphase_flows.report.figures.style import BLUE, GREY, VERMILION, figure_style


def survival_figures(trapping: TrappingResult) -> dict[str, tuple[Figure, str]]:
    """Draw one figure per interface with an available label: figure and alternative text, by name."""
    drawn = {}
    for side, labels in trapping.sides.items():
        known = {label: each for label, each in labels.items() if isinstance(each, LabelTrapping)}
        if known:
            drawn[f"survival_{side}"] = (
                survival_figure(known),
                f"Survival of labels in the interphase {side}",
            )
    return drawn


def survival_figure(labels: Mapping[str, LabelTrapping]) -> Figure:
    """Draw the surviving fraction of each label with its 95 % band, and that expected without cross terms."""
    with figure_style():
        figure = Figure(figsize=(4.8 * len(labels), 3.3))
        for axes, (label, found) in zip(
            figure.subplots(1, len(labels), squeeze=False).flat, labels.items(), strict=True
        ):
            curve = found.survival
            age, survival = curve.age_ps, curve.surviving_fraction
            axes.fill_between(age, survival.lower, survival.upper, step="post", color=BLUE, alpha=0.2, linewidth=0)
            axes.step(age, survival.value, where="post", color=BLUE, label="keeps its label")
            axes.plot(
                age,
                curve.expected_fraction,
                color=VERMILION,
                linestyle="--",
                label="in the layer, by L alone",
            )
            axes.axhline(0.5, color=GREY, linewidth=0.6)
            state = found.state.replace("_", " ")
            axes.set(
                title=f"{label}: {state}",
                xlabel="Age (ps)",
                ylabel="Fraction of labels",
                ylim=(0, 1.03),
                xlim=(0, None),
            )
            axes.legend(loc="best")
    return figure
