"""Figures of one interface analysis: thickness, crossings, rates of the verdict, profiles, transport, trapping."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.analysis.growth.kinetics import GrowthKinetics
from interphase_flows.analysis.growth.results import GrowthResult
from interphase_flows.analysis.interfaces.results import BoundariesResult
from interphase_flows.analysis.passivation.results import TrappingResult, VerdictResult
from interphase_flows.analysis.passivation.verdict import Verdict
from interphase_flows.analysis.profiles.results import ProfilesResult
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.transport.summary import TransportResult
from interphase_flows.report.figures.growth import growth_figure, rates_figure, verdict_figure
from interphase_flows.report.figures.profiles import profile_figures
from interphase_flows.report.figures.style import CYCLE, DASHES, GREY, element_colour, figure_style
from interphase_flows.report.figures.transport import transport_figures
from interphase_flows.report.figures.trapping import survival_figures

Arrays = Mapping[str, NDArray[np.floating]]


def interface_figures(parts: Mapping[str, Result | Unavailable], arrays: Arrays) -> dict[str, tuple[Figure, str]]:
    """Draw the available parts of an analysis: figure and alternative text, by name."""
    drawn: dict[str, tuple[Figure, str]] = {}
    if "cell.time_ps" in arrays:
        drawn["cell"] = _cell(arrays), "Height and volume of the cell against time"
    boundaries, growth, judged = (parts.get(name) for name in ("boundaries", "growth", "verdict"))
    laws = growth.sides if isinstance(growth, GrowthResult) else {}
    verdicts = judged.sides if isinstance(judged, VerdictResult) else {}
    for side in boundaries.sides if isinstance(boundaries, BoundariesResult) else _fitted(laws):
        drawn[f"thickness_{side}"] = (
            _thickness(side, laws.get(side), arrays),
            f"Thickness of the interphase {side} against time",
        )
        if any(name.startswith(f"{side}.passed ") for name in arrays):
            drawn[f"passed_{side}"] = _passed(side, arrays), f"Atoms that crossed the boundaries {side}"
        drawn |= {f"{name}_{side}": found for name, found in verdict_figures(verdicts.get(side), side).items()}
    profiles, transport, trapping = (parts.get(name) for name in ("profiles", "transport", "trapping"))
    if isinstance(profiles, ProfilesResult):
        drawn |= profile_figures(profiles, arrays)
    if isinstance(transport, TransportResult):
        drawn |= transport_figures(transport)
    if isinstance(trapping, TrappingResult):
        drawn |= survival_figures(trapping)
    return drawn


def _fitted(laws: Mapping[str, GrowthKinetics | Unavailable]) -> list[str]:
    """Return the interfaces that have a law to draw, of series without boundaries."""
    return [side for side, law in laws.items() if isinstance(law, GrowthKinetics) and law.candidates]


def _cell(arrays: Arrays) -> Figure:
    with figure_style():
        figure = Figure(figsize=(9.6, 2.8))
        for axes, name, label in zip(
            figure.subplots(1, 2),
            ("cell.height_angstrom", "cell.volume_angstrom3"),
            ("Height of the cell (Å)", "Volume of the cell (Å³)"),
            strict=True,
        ):
            axes.plot(arrays["cell.time_ps"], arrays[name], color=CYCLE[0], linewidth=1.0)
            axes.set(xlabel="Time (ps)", ylabel=label)
    return figure


def verdict_figures(verdict: Verdict | Unavailable | None, side: str) -> dict[str, tuple[Figure, str]]:
    """Draw the rates of a verdict: in the last two windows in units of epsilon, and against time."""
    if not isinstance(verdict, Verdict) or not verdict.checks:
        return {}
    drawn = {}
    if any(check.epsilon_per_ps > 0 for check in verdict.checks.values()):
        drawn["verdict"] = verdict_figure(verdict), f"Rates of the last two windows {side}"
    if verdict.rates is not None:
        alt = f"Rates against time {side}, with their bounds and epsilon"
        drawn["rates"] = (rates_figure(verdict, verdict.rates), alt)
    return drawn


def _thickness(side: str, growth: GrowthKinetics | Unavailable | None, arrays: Arrays) -> Figure:
    time, thickness = arrays[f"{side}.time_ps"], arrays[f"{side}.thickness_angstrom"]
    label = f"Thickness {side} (Å)"
    if isinstance(growth, GrowthKinetics) and growth.candidates:
        return growth_figure(time, thickness, growth, label)
    with figure_style():
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        spread = arrays[f"{side}.thickness_spread_angstrom"]
        axes.fill_between(time, thickness - spread, thickness + spread, color=GREY, alpha=0.25, linewidth=0)
        axes.plot(time, thickness, color=CYCLE[0], marker=".")
        axes.set(xlabel="Time (ps)", ylabel=label, title="undecided: no growth law was fitted")
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
            axes.set(title=plane, xlabel="Time (ps)")
        figure.axes[0].set_ylabel("Passed towards the electrolyte\n(atoms/nm²)")
        figure.axes[0].legend()
    return figure
