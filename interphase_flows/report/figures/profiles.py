"""Figures of profiles along the normal: composition, density and coordination by block of time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from interphase_flows.analysis.profiles.results import ProfilesResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.report.figures.interphase_lines import (
    dashes_of,
    heights_against_time,
    interphases_of,
)
from interphase_flows.report.figures.style import BLACK, BLUE, DASHES, VERMILION, element_colour, figure_style

Arrays = Mapping[str, NDArray[np.floating]]
HATCHES = ("", "//", "..", "xx", "\\\\", "++")
"""Hatches by element, so that colour is not the only distinction."""
START, END = (BLUE, "--"), (VERMILION, "-")
"""Colour and dashes of the first and the last block."""


def profile_figures(profiles: ProfilesResult, arrays: Arrays) -> dict[str, tuple[Figure, str]]:
    """Draw the profiles of a run: figure and alternative text, by name."""
    drawn = {
        "profile_composition": (
            composition_figure(profiles.elements, arrays),
            "Stacked mole fractions of the elements against height, at the start and at the end",
        ),
        "profile_map": (
            density_map_figure(profiles.elements, arrays),
            "Number density of each element against height and time",
        ),
        "profile_density": (density_figure(arrays), "Mass density against height, by block of time"),
    }
    if not isinstance(profiles.coordination, Unavailable):
        drawn["profile_coordination"] = (
            coordination_figure([each.name for each in profiles.coordination.shells], arrays),
            "Coordination against height, at the start and at the end",
        )
    return drawn


def composition_figure(elements: Sequence[str], arrays: Arrays) -> Figure:
    """Draw stacked mole fractions against height: first and last block."""
    fraction, ends = arrays["profiles.mole_fraction"], _ends(arrays)
    styles: dict[str, dict[str, Any]] = {
        symbol: {
            "facecolor": element_colour(symbol, number),
            "edgecolor": "white",
            "hatch": HATCHES[number % len(HATCHES)],
            "linewidth": 0.0,
        }
        for number, symbol in enumerate(elements)
    }
    with figure_style():
        figure = Figure(figsize=(9.6, 3.6))
        panels = figure.subplots(1, len(ends), sharey=True, squeeze=False)[0]
        for axes, (block, when) in zip(panels, ends, strict=True):
            edges = _edges(arrays, block)
            below = np.zeros(len(edges) - 1)
            for number, symbol in enumerate(elements):
                above = below + np.nan_to_num(fraction[block, number])
                axes.stairs(above, edges, baseline=below, fill=True, **styles[symbol])
                below = above
            _boundaries(axes, arrays, block)
            axes.set(title=when, xlabel="Height (Å)", xlim=(edges[0], edges[-1]), ylim=(0, 1))
        panels[0].set_ylabel("Mole fraction")
        # in the order of the stack, from top to bottom
        handles: list[Artist] = [Patch(label=symbol, **styles[symbol]) for symbol in reversed(elements)]
        figure.legend(handles=[*handles, *_boundary_handles(arrays)], loc="outside right upper")
    return figure


def density_map_figure(elements: Sequence[str], arrays: Arrays) -> Figure:
    """Draw the number density of each element against height and time, a column for each block of time."""
    edges, density = arrays["profiles.edges_angstrom"], arrays["profiles.atoms_per_nm3"]
    block_ps = arrays["profiles.block_ps"]
    times = np.append(block_ps[:, 0], block_ps[-1, 1])
    heights = heights_against_time(edges, arrays["profiles.block_period_angstrom"])
    times = np.broadcast_to(times, heights.shape)
    with figure_style():
        figure = Figure(figsize=(9.6, 3.6))
        panels = figure.subplots(1, len(elements), sharey=True, squeeze=False)[0]
        for number, (axes, symbol) in enumerate(zip(panels, elements, strict=True)):
            image = axes.pcolormesh(times, heights, density[:, number].T, cmap="viridis", vmin=0.0, rasterized=True)
            axes.grid(visible=False)
            axes.set(title=symbol, xlabel="Time (ps)")
            figure.colorbar(image, ax=axes, label="atoms/nm³")
        panels[0].set_ylabel("Height (Å)")
    return figure


def density_figure(arrays: Arrays) -> Figure:
    """Draw mass density against height, a line with its 95 % band for each block of time."""
    density = arrays["profiles.g_per_cm3"]
    n_blocks = len(density)
    with figure_style():
        figure = Figure(figsize=(9.6, 3.8))
        axes = figure.subplots()
        # the light end of the scale is invisible on white
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, n_blocks))
        for block in range(n_blocks):
            _banded(
                axes, _edges(arrays, block), arrays, "g_per_cm3", (block,), color=colours[block],
                linestyle=DASHES[block % len(DASHES)], label=_time(arrays, block),
            )  # fmt: skip
        _boundaries(axes, arrays, n_blocks - 1)
        axes.set(
            xlabel="Height (Å)",
            ylabel="Mass density (g/cm³)",
            xlim=(0, arrays["profiles.block_period_angstrom"].max()),
            ylim=(0, _top(density)),
        )
        handles, _ = axes.get_legend_handles_labels()
        figure.legend(handles=[*handles, *_boundary_handles(arrays)], loc="outside right upper")
    return figure


def coordination_figure(names: Sequence[str], arrays: Arrays) -> Figure:
    """Draw mean numbers of neighbours against height with 95 % bands: first and last block, a panel for each shell."""
    ends = _ends(arrays)
    with figure_style():
        figure = Figure(figsize=(9.6, 0.6 + 1.9 * len(names)))
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for shell, (axes, name) in enumerate(zip(panels, names, strict=True)):
            for (block, when), (colour, dashes) in zip(ends, (START, END)[-len(ends) :], strict=True):
                _banded(
                    axes, _edges(arrays, block), arrays, "coordination", (block, shell), color=colour, linestyle=dashes,
                    label=when,
                )  # fmt: skip
            _boundaries(axes, arrays, len(arrays["profiles.block_ps"]) - 1)
            shown = arrays["profiles.coordination"][[block for block, _ in ends], shell]
            longest = max(_edges(arrays, block)[-1] for block, _ in ends)
            axes.set(title=name, ylabel="Neighbours", xlim=(0, longest), ylim=(0, _top(shown)))
        panels[-1].set_xlabel("Height (Å)")
        handles, _ = panels[0].get_legend_handles_labels()
        figure.legend(handles=[*handles, *_boundary_handles(arrays)], loc="outside right upper")
    return figure


def _edges(arrays: Arrays, block: int) -> NDArray[np.floating]:
    """Return the edges of the slices in the mean cell of a block, (n_slices + 1,), Å."""
    edges = arrays["profiles.edges_angstrom"]
    return edges * (arrays["profiles.block_period_angstrom"][block] / edges[-1])


def _ends(arrays: Arrays) -> list[tuple[int, str]]:
    """Return the first and the last block with their times; once if they are the same."""
    blocks = sorted({0, len(arrays["profiles.block_ps"]) - 1})
    return [(block, _time(arrays, block)) for block in blocks]


def _time(arrays: Arrays, block: int) -> str:
    begin, end = arrays["profiles.block_ps"][block]
    decimals = max(0, 1 - math.floor(math.log10(end - begin))) if end > begin else 3
    return f"{begin:.{decimals}f} to {end:.{decimals}f} ps"


def _banded(
    axes: Axes, edges: NDArray[np.floating], arrays: Arrays, name: str, row: tuple[int, ...], **style: Any
) -> None:
    """Draw a profile as steps with its band; where there is no atom there is no line."""
    value, lower, upper = (arrays[f"profiles.{name}{end}"][row] for end in ("", "_lower", "_upper"))
    axes.stairs(value, edges, baseline=None, linewidth=1.6, **style)
    axes.stairs(upper, edges, baseline=lower, fill=True, color=style["color"], alpha=0.2, linewidth=0)


def _top(values: NDArray[np.floating]) -> float:
    """Return the end of an axis that shows all means and the bands unless they are several times as wide."""
    highest = float(np.nan_to_num(values).max())
    return 1.35 * highest if highest > 0 else 1.0


def _boundaries(axes: Axes, arrays: Arrays, block: int) -> None:
    height = arrays["profiles.block_period_angstrom"][block]
    for side, ends in interphases_of(arrays, "profiles"):
        for place in ends[block][np.isfinite(ends[block])] % height:
            axes.axvline(place, color=BLACK, linewidth=1.2, linestyle=dashes_of(side))


def _boundary_handles(arrays: Arrays) -> list[Line2D]:
    return [
        Line2D([], [], color=BLACK, linewidth=1.2, linestyle=dashes_of(side), label=f"interphase {side}")
        for side, ends in interphases_of(arrays, "profiles")
        if np.isfinite(ends).any()
    ]
