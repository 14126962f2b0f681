"""Figures of a survey: thickness with its law, profiles, what crossed, Onsager coefficients, the verdict's rates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.analysis.plain import kinetics_of, verdict_of
from interphase_flows.report.figures.growth import growth_figure, rates_figure, verdict_figure
from interphase_flows.report.figures.profiles import profile_figures
from interphase_flows.report.figures.style import CYCLE, DASHES, GREY, element_colour, figure_style
from interphase_flows.report.figures.transport import transport_figures
from interphase_flows.report.figures.trapping import survival_figures

Arrays = Mapping[str, NDArray[np.floating]]


def figures_of(values: Mapping[str, Any], arrays: Arrays) -> dict[str, tuple[Figure, str]]:
    """Draw what a survey answered: by name, each with its text; parts that were refused have no figure."""
    drawn: dict[str, tuple[Figure, str]] = {}
    kinetics, verdicts = values.get("kinetics", {}), values.get("verdict", {}).get("sides", {})
    for side in values.get("boundaries", {}).get("sides", {}):
        growth = kinetics.get(side, {}) if "refused" not in kinetics else {}
        drawn[f"thickness_{side}"] = (
            _thickness(side, growth, arrays),
            f"Thickness of the interphase {side} against time",
        )
        if any(name.startswith(f"{side}.passed ") for name in arrays):
            drawn[f"passed_{side}"] = _passed(side, arrays), f"What crossed the boundaries {side}"
        if verdicts.get(side, {}).get("checks"):
            drawn[f"verdict_{side}"] = (
                verdict_figure(verdict_of(verdicts[side])),
                f"Rates of the last two windows {side}",
            )
            if verdicts[side].get("rates"):
                drawn[f"rates_{side}"] = (
                    rates_figure(verdict_of(verdicts[side]), verdicts[side]["rates"]),
                    f"Rates against time {side}, with their bounds and epsilon",
                )
    return (
        drawn
        | profile_figures(values.get("profiles", {}), arrays)
        | transport_figures(values.get("transport", {}))
        | survival_figures(values.get("trapping", {}))
    )


def _thickness(side: str, growth: Mapping[str, Any], arrays: Arrays) -> Figure:
    time, thickness = arrays[f"{side}.time_ps"], arrays[f"{side}.thickness_angstrom"]
    label = f"thickness {side} (Å)"
    if growth.get("candidates"):
        return growth_figure(time, thickness, kinetics_of(growth), label)
    with figure_style():
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        spread = arrays[f"{side}.thickness_spread_angstrom"]
        axes.fill_between(time, thickness - spread, thickness + spread, color=GREY, alpha=0.25, linewidth=0)
        axes.plot(time, thickness, color=CYCLE[0], marker=".")
        axes.set(xlabel="time (ps)", ylabel=label, title="undecided: no law was fitted")
    return figure


def _passed(side: str, arrays: Arrays) -> Figure:
    start = f"{side}.passed "
    names = [name.removeprefix(start) for name in arrays if name.startswith(start)]
    planes = list(dict.fromkeys(name.partition(" at ")[2] for name in names))
    with figure_style():
        figure = Figure(figsize=(9.6, 3.3))
        for axes, plane in zip(figure.subplots(1, len(planes), squeeze=False).flat, planes, strict=True):
            species = [name.partition(" at ")[0] for name in names if name.endswith(f" at {plane}")]
            for number, symbol in enumerate(species):
                axes.plot(
                    arrays[f"{side}.time_ps"], arrays[f"{start}{symbol} at {plane}"],
                    color=element_colour(symbol, number), linestyle=DASHES[number % len(DASHES)], label=symbol,
                )  # fmt: skip
            axes.set(title=plane, xlabel="time (ps)")
        figure.axes[0].set_ylabel("passed towards the electrolyte\n(atoms/nm²)")
        figure.axes[0].legend()
    return figure
