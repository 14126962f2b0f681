"""Figures of Onsager coefficients: as heat maps, against time, and by slab."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.summary import (
    OnsagerSummary,
    TransportResult,
    TransportSlabs,
    TransportWindow,
)
from interphase_flows.report.figures.style import BLACK, BLUE, CYCLE, GREY, VERMILION, figure_style

UNIT = "1/(eV Å ps)"
MOST_SPECIES_IN_PAIRS = 3
"""With more, panels show the diagonal alone."""


def transport_figures(transport: TransportResult) -> dict[str, tuple[Figure, str]]:
    """Draw the available coefficients: figure and alternative text, by name."""
    drawn: dict[str, tuple[Figure, str]] = {}
    if isinstance(transport.entire_cell, OnsagerSummary):
        drawn["onsager"] = (
            onsager_heat_maps(transport.entire_cell),
            "Onsager coefficients with their intervals, and the correlation beyond the reference frame",
        )
    windows = () if isinstance(transport.windows, Unavailable) else transport.windows.rows
    if len(_known(windows)) >= 2:
        drawn["onsager_trend"] = trend_figure(windows), "Onsager coefficients against time"
    slabs = transport.slabs
    if not isinstance(slabs, Unavailable) and _summaries(slabs):
        drawn["onsager_slabs"] = slab_figure(slabs), "Onsager coefficients by slab"
    return drawn


def onsager_heat_maps(result: OnsagerSummary) -> Figure:
    """Draw L_ij and its part beyond the reference frame as colours of one scale, with 95 % intervals.

    Numbers whose interval contains zero are grey.
    """
    species = result.species
    onsager, beyond = result.onsager_per_eV_angstrom_ps, result.beyond_frame_per_eV_angstrom_ps
    largest = float(np.nanmax(np.abs(onsager.value), initial=0.0)) or 1.0
    n = len(species)
    with figure_style():
        figure = Figure(figsize=(2.0 + 2 * (0.6 + 1.3 * n), 1.4 + 0.8 * n))
        panels = figure.subplots(1, 2, sharey=True)
        titles = (f"L_ij, {UNIT}", "beyond the reference frame")
        for axes, matrix, title in zip(panels, (onsager, beyond), titles, strict=True):
            value, lower, upper = (np.asarray(x) for x in (matrix.value, matrix.lower, matrix.upper))
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


def trend_figure(rows: Sequence[TransportWindow]) -> Figure:
    """Draw L_ij of each window with its 95 % band, and the part beyond the frame; unavailable windows are empty."""
    known = _known(rows)
    species = known[0][1].species
    with figure_style():
        figure, panels = _panels(species, height=2.3)
        for axes, i, j in panels:
            for number, (row, found) in enumerate(known):
                for matrix, colour, label in (
                    (found.onsager_per_eV_angstrom_ps, BLUE, "L_ij"),
                    (found.beyond_frame_per_eV_angstrom_ps, VERMILION, "beyond the frame"),
                ):
                    span, at = [row.start_ps, row.end_ps], matrix[i, j]
                    axes.plot(
                        span,
                        [at.value] * 2,
                        color=colour,
                        label=label if number == 0 else None,
                        solid_capstyle="butt",
                    )
                    if at.is_known:
                        axes.fill_between(span, at.lower, at.upper, color=colour, alpha=0.2, linewidth=0)
            axes.axhline(0.0, color=BLACK, linewidth=0.6)
            axes.set_xlim(rows[0].start_ps, rows[-1].end_ps)
        _finish(figure, UNIT, "Time (ps)")
    return figure


def slab_figure(slabs: TransportSlabs) -> Figure:
    """Draw L_ij by slab, upwards from the electrode: in the plane, along the normal, each window in its colour."""
    names, rows = slabs.names, slabs.rows
    starts = list(dict.fromkeys(row.start_ps for row in rows))
    species = max((each.species for each in _summaries(slabs)), key=len)
    with figure_style():
        figure, panels = _panels(species, height=2.5)
        for axes, i, j in panels:
            for row in rows:
                window = starts.index(row.start_ps)
                for way, (result, marker, label) in enumerate(
                    ((row.in_plane, "o", "in the plane"), (row.normal, "s", "along the normal"))
                ):
                    pair = _of_pair(result, species[i], species[j])
                    if pair is None:
                        continue
                    at = names.index(row.name) + _shift(2 * window + way, 2 * len(starts))
                    text = f"{label}, {row.start_ps:.0f}–{row.end_ps:.0f} ps"
                    _bar(axes, at, pair, marker, CYCLE[window % len(CYCLE)], text, filled=way == 0)
            axes.axhline(0.0, color=BLACK, linewidth=0.6)
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.set_xticks(range(len(names)), [_short(name) for name in names], fontsize=8)
        _finish(figure, UNIT, "")
    return figure


def _known(rows: Sequence[TransportWindow]) -> list[tuple[TransportWindow, OnsagerSummary]]:
    return [(row, row.coefficients) for row in rows if isinstance(row.coefficients, OnsagerSummary)]


def _summaries(slabs: TransportSlabs) -> list[OnsagerSummary]:
    both = [each for row in slabs.rows for each in (row.in_plane, row.normal)]
    return [each for each in both if isinstance(each, OnsagerSummary)]


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
    """Add units, and one legend above the panels."""
    legend: dict[str, Artist] = {}
    for axes in figure.axes:
        axes.set_xlabel(along)
        legend |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.supylabel(unit, fontsize=10)
    columns = len(legend) if len(legend) <= 4 else -(-len(legend) // 2)
    figure.legend(legend.values(), legend.keys(), loc="outside upper center", ncols=max(columns, 1))


def _of_pair(found: OnsagerSummary | Unavailable, first: str, second: str) -> Estimate | None:
    """Return one coefficient of a slab that has both species, if it has an interval."""
    if isinstance(found, Unavailable) or first not in found.species or second not in found.species:
        return None
    i, j = found.species.index(first), found.species.index(second)
    pair = found.onsager_per_eV_angstrom_ps[i, j]
    return pair if pair.is_known else None


def _bar(axes: Axes, at: float, pair: Estimate, marker: str, colour: str, label: str, *, filled: bool) -> None:
    axes.plot([at, at], [pair.lower, pair.upper], color=colour, linewidth=1.2)
    axes.plot(
        at, pair.value, marker, color=colour, markersize=4.5, label=label,
        markerfacecolor=colour if filled else "white",
    )  # fmt: skip


def _shift(place: int, of: int) -> float:
    return 0.7 * ((place + 0.5) / of - 0.5)


def _short(name: str) -> str:
    """Break the name of a slab into short lines."""
    return name.replace("electrolyte", "electro-\nlyte").replace("electrode", "elec-\ntrode").replace(
        "interphase ", "inter-\nphase\n"
    ).replace(", part ", "\n").replace(" of ", "/")  # fmt: skip
