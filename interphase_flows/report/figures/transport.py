"""Figures of Onsager coefficients: as a table of colours, against time, and slab by slab."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.report.figures.style import BLACK, BLUE, CYCLE, GREY, VERMILION, figure_style

L = "onsager_per_eV_angstrom_ps"
BEYOND = "beyond_frame_per_eV_angstrom_ps"
UNIT = "1/(eV Å ps)"
MOST_SPECIES_IN_PAIRS = 3
"""With more, panels show the diagonal alone."""


def transport_figures(transport: Mapping[str, Any]) -> dict[str, tuple[Figure, str]]:
    """Draw what was answered, by name, each with its text."""
    drawn: dict[str, tuple[Figure, str]] = {}
    if L in transport.get("entire_cell", {}):
        drawn["onsager"] = (
            onsager_heat_maps(transport["entire_cell"]),
            "Onsager coefficients with their intervals, and what of them is correlation beyond the frame",
        )
    windows = transport.get("windows", {}).get("rows", [])
    if sum(L in row for row in windows) >= 2:
        drawn["onsager_trend"] = trend_figure(windows), "Onsager coefficients against time"
    slabs = transport.get("slabs", {})
    if any(L in row[axis] for row in slabs.get("rows", []) for axis in ("in_plane", "normal")):
        drawn["onsager_slabs"] = slab_figure(slabs), "Onsager coefficients slab by slab"
    return drawn


def onsager_heat_maps(result: Mapping[str, Any]) -> Figure:
    """Draw L_ij and its part beyond the reference frame as colours of one scale, with 95 % intervals.

    Numbers whose interval holds zero are grey.
    """
    species = result["species"]
    largest = float(np.nanmax(np.abs(_array(result[L]["value"])), initial=0.0)) or 1.0
    n = len(species)
    with figure_style():
        figure = Figure(figsize=(2.0 + 2 * (0.6 + 1.3 * n), 1.4 + 0.8 * n))
        panels = figure.subplots(1, 2, sharey=True)
        titles = (f"L_ij, {UNIT}", "beyond what the frame makes")
        for axes, matrix, title in zip(panels, (result[L], result[BEYOND]), titles, strict=True):
            value, lower, upper = (_array(matrix[name]) for name in ("value", "lower", "upper"))
            image = axes.imshow(value, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
            for i, j in np.ndindex(n, n):
                decided = lower[i, j] > 0 or upper[i, j] < 0
                dark = abs(value[i, j]) > 0.6 * largest
                numbers = f"{value[i, j]:.2g}\n[{lower[i, j]:.2g}, {upper[i, j]:.2g}]".replace("-", "−")
                colour = ("white" if dark else "black") if decided else GREY
                axes.text(j, i, numbers, ha="center", va="center", fontsize=8, color=colour)
            axes.set_xticks(range(n), species)
            axes.set_yticks(range(n), species)
            axes.grid(visible=False)
            axes.set_title(title)
        figure.colorbar(image, ax=list(panels), pad=0.02)
    return figure


def trend_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw L_ij of each window with its 95 % band, and the part beyond the frame; windows without a number are empty."""
    known = [row for row in rows if L in row]
    species = known[0]["species"]
    with figure_style():
        figure, panels = _panels(species, height=2.3)
        for axes, i, j in panels:
            for matrix, colour, words in (
                (L, BLUE, "L_ij"),
                (BEYOND, VERMILION, "beyond the frame"),
            ):
                for number, row in enumerate(known):
                    span = [row["start_ps"], row["end_ps"]]
                    value, lower, upper = (row[matrix][name][i][j] for name in ("value", "lower", "upper"))
                    axes.plot(
                        span,
                        [value] * 2,
                        color=colour,
                        label=words if number == 0 else None,
                        solid_capstyle="butt",
                    )
                    if lower is not None and upper is not None:
                        axes.fill_between(span, lower, upper, color=colour, alpha=0.2, linewidth=0)
            axes.axhline(0.0, color=BLACK, linewidth=0.6)
            axes.set_xlim(rows[0]["start_ps"], rows[-1]["end_ps"])
        _finish(figure, f"{UNIT}", "time (ps)")
    return figure


def slab_figure(slabs: Mapping[str, Any]) -> Figure:
    """Draw L_ij by slab, upwards from the electrode: in the plane, along the normal, each window in its colour."""
    names, rows = slabs["names"], slabs["rows"]
    starts = list(dict.fromkeys(row["start_ps"] for row in rows))
    species = max((row[a]["species"] for row in rows for a in ("in_plane", "normal") if L in row[a]), key=len)
    with figure_style():
        figure, panels = _panels(species, height=2.5)
        for axes, i, j in panels:
            for row in rows:
                window = starts.index(row["start_ps"])
                for way, (axis, marker, words) in enumerate(
                    (("in_plane", "o", "in the plane"), ("normal", "s", "along the normal"))
                ):
                    pair = _of_pair(row[axis], species[i], species[j])
                    if pair is None:
                        continue
                    at = names.index(row["name"]) + _shift(2 * window + way, 2 * len(starts))
                    label = f"{words}, {row['start_ps']:.0f}–{row['end_ps']:.0f} ps"
                    _bar(axes, at, pair, marker, CYCLE[window % len(CYCLE)], label, filled=axis == "in_plane")
            axes.axhline(0.0, color=BLACK, linewidth=0.6)
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.set_xticks(range(len(names)), [_short(name) for name in names], fontsize=8)
        _finish(figure, UNIT, "")
    return figure


def pairs_of(species: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of species that panels show: the diagonal first."""
    n = len(species)
    yield from ((i, i) for i in range(n))
    if n <= MOST_SPECIES_IN_PAIRS:
        yield from ((i, j) for i in range(n) for j in range(i + 1, n))


def _panels(species: Sequence[str], height: float) -> tuple[Figure, list[tuple[Axes, int, int]]]:
    """Return a figure with a panel for each pair, rows of as many as there are species."""
    pairs = list(pairs_of(species))
    columns = min(len(species), 4)
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(9.6, 0.5 + height * rows))
    panels = figure.subplots(rows, columns, squeeze=False).flat
    found = []
    for axes, (i, j) in zip(panels, pairs, strict=False):
        axes.set_title(f"{species[i]}–{species[j]}")
        found.append((axes, i, j))
    for axes in list(panels)[len(pairs) :]:
        axes.remove()
    return figure, found


def _finish(figure: Figure, unit: str, along: str) -> None:
    """Write units, and one legend of all that occurs in any panel above the panels."""
    shown: dict[str, Any] = {}
    for axes in figure.axes:
        axes.set_xlabel(along)
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.supylabel(unit, fontsize=10)
    columns = len(shown) if len(shown) <= 4 else -(-len(shown) // 2)
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=max(columns, 1))


def _of_pair(found: Mapping[str, Any], first: str, second: str) -> tuple[float, float, float] | None:
    """Return value and bounds of one coefficient of a slab that has both species."""
    if L not in found or first not in found["species"] or second not in found["species"]:
        return None
    i, j = found["species"].index(first), found["species"].index(second)
    value, lower, upper = (found[L][name][i][j] for name in ("value", "lower", "upper"))
    return None if value is None or lower is None or upper is None else (value, lower, upper)


def _bar(
    axes: Axes,
    at: float,
    pair: tuple[float, float, float],
    marker: str,
    colour: str,
    label: str,
    *,
    filled: bool,
) -> None:
    value, lower, upper = pair
    axes.plot([at, at], [lower, upper], color=colour, linewidth=1.2)
    axes.plot(
        at, value, marker, color=colour, markersize=4.5, label=label, markerfacecolor=colour if filled else "white"
    )  # fmt: skip


def _shift(place: int, of: int) -> float:
    return 0.7 * ((place + 0.5) / of - 0.5)


def _short(name: str) -> str:
    """Break the name of a slab into short lines."""
    return name.replace("electrolyte", "electro-\nlyte").replace("electrode", "elec-\ntrode").replace(
        "interphase ", "inter-\nphase\n"
    ).replace(", part ", "\n").replace(" of ", "/")  # fmt: skip


def _array(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=float)
