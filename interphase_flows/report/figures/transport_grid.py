"""Figures of the transport grid: Arrhenius lines, L_ij against composition, L_ij along the interphase."""

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.composition_grid.results import ArrheniusLine, TransportGridResult
from interphase_flows.report.figures.style import BLACK, CYCLE, DASHES, GREY, figure_style

Arrays = Mapping[str, NDArray[np.floating]]
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
UNIT = "1/(eV Å ps)"
DECADES = 1.5
"""Largest extension of an axis beyond the values, to show bounds of intervals."""


def arrhenius_figure(grid: TransportGridResult, arrays: Arrays) -> Figure | None:
    """Draw L_ii against 1000 / T with intervals, a colour and a marker for each composition; lines with their bands.

    None if no run has coefficients. Coefficients of rejected runs are open and grey.
    """
    species = grid.species
    if all(cell.coefficients is None for cell in grid.cells):
        return None
    compositions = [each.x_electrode for each in grid.compositions]
    with figure_style():
        figure = Figure(figsize=(1.6 + 4.0 * len(species), 3.9))
        for axes, symbol in zip(figure.subplots(1, len(species), squeeze=False).flat, species, strict=True):
            limits: list[float] = []
            for number, x in enumerate(compositions):
                limits += _composition(axes, grid, arrays, symbol, x, number, len(compositions))
            axes.set_yscale("log")
            _hold(axes, limits)
            axes.axvline(1000 / grid.temperature_K, color=GREY, linestyle=":", linewidth=1.2, label="production")
            axes.set(
                xlabel="1000 / T (1/K)", title=f"{symbol}, relative to {grid.at_rest}",
            )  # fmt: skip
            upper = axes.secondary_xaxis("top", functions=(_inverse, _inverse))
            measured = sorted({cell.temperature_K for cell in grid.cells})
            ticks = _apart([grid.temperature_K, *measured])
            upper.set_xticks(ticks, [f"{t:g} K" for t in ticks], fontsize=8)
        figure.axes[0].set_ylabel(f"L_ii, {UNIT}")
        figure.axes[0].legend(fontsize=8)
    return figure


def _composition(
    axes: Axes, grid: TransportGridResult, arrays: Arrays, symbol: str, x: float, number: int, n: int
) -> list[float]:
    """Draw one composition and return the values that the axis must show."""
    colour, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
    own = [c for c in grid.cells if abs(c.x_electrode - x) < 1e-6 and c.coefficients is not None]
    row = grid.species.index(symbol)
    shown: list[float] = []
    label = f"x = {x:.2f}"
    # the first one is in the legend, in the colour of its composition if any is accepted
    for cell in sorted(own, key=lambda each: bool(each.rejection)):
        assert cell.coefficients is not None
        found = cell.coefficients.onsager_per_eV_angstrom_ps[row, row]
        value, lower, upper = (float(each) for each in (found.value, found.lower, found.upper))
        # points of one temperature are side by side
        at = 1000 / cell.temperature_K * (1 + 0.008 * (number - (n - 1) / 2))
        low, high = (lower if lower > 0 else value * 1e-9), (upper if np.isfinite(upper) else value * 1e9)
        if value > 0:
            rejected = bool(cell.rejection)
            axes.plot([at, at], [low, high], color=GREY if rejected else colour, linewidth=1.0)
            axes.plot(
                at, value, marker, color=GREY if rejected else colour, markersize=5, linestyle="none",
                markerfacecolor="white" if rejected else colour, label=label,
            )  # fmt: skip
            label = "_nolegend_"
            shown += [value, *(b for b in (lower, upper) if np.isfinite(b) and b > 0)]
    name = f"line/{x:.4f}/{symbol}"
    if f"{name}/value" in arrays:
        inverse = 1000 / arrays[f"{name}/temperature_K"]
        curve, below, above = (arrays[f"{name}/{part}"] for part in ("value", "lower", "upper"))
        line = next(c for c in grid.compositions if c.x_electrode == x).lines[symbol]
        assert isinstance(line, ArrheniusLine)  # a curve has a line
        hottest, coldest = 1000 / line.hottest_K, 1000 / line.coldest_K
        inside = (inverse >= hottest * 0.999) & (inverse <= coldest * 1.001)
        axes.fill_between(inverse, below, np.minimum(above, 1e290), color=colour, alpha=0.16, linewidth=0)
        axes.plot(inverse, curve, color=colour, linestyle=":", linewidth=1.2)
        axes.plot(inverse[inside], curve[inside], color=colour, linestyle=DASHES[number % 2], linewidth=1.6)
        shown += curve[curve > 0].tolist()
    return shown


def composition_figure(grid: TransportGridResult, arrays: Arrays) -> Figure | None:
    """Draw L_ij against composition at the temperature of the grid, with bands; None without a grid."""
    if "curve/value" not in arrays or isinstance(grid.grid, Unavailable):
        return None
    species = grid.grid.species
    return _matrix_figure(
        species,
        arrays["curve/x_electrode"],
        *(arrays[f"curve/{part}"] for part in ("value", "lower", "upper")),
        xlabel="Fraction of atoms from the electrode, x",
        knots=grid.grid.x_electrode,
    )


def local_figure(grid: TransportGridResult, arrays: Arrays) -> Figure | None:
    """Draw the local composition and L_ij along the normal, with bands; None if no slice has coefficients."""
    local, between = grid.local, grid.grid
    if "local/value" not in arrays or isinstance(local, Unavailable) or isinstance(between, Unavailable):
        return None
    if not local.n_available:
        return None
    height = arrays["local/height_angstrom"]
    figure = _matrix_figure(
        local.species,
        height,
        *(arrays[f"local/{part}"] for part in ("value", "lower", "upper")),
        xlabel="Height along the normal (Å)",
        beside=True,
    )
    with figure_style():
        axes = figure.axes[0]
        axes.plot(height, arrays["local/x_electrode"], color=BLACK)
        first, last = between.x_electrode[0], between.x_electrode[-1]
        axes.axhspan(first, last, color=CYCLE[2], alpha=0.14, linewidth=0, label="range of the grid")
        axes.set(ylim=(0, 1), xlabel="Height along the normal (Å)", ylabel="Local x", title="Local composition")
        axes.set_xlim(height.min(), height.max())
        axes.legend()
    return figure


def flux_figure(grid: TransportGridResult, arrays: Arrays) -> Figure | None:
    """Draw the fluxes that gradients of the local composition drive, with bands; None where there are none."""
    if "local/flux" not in arrays or not np.isfinite(arrays["local/flux"]).any():
        return None
    if isinstance(grid.local, Unavailable):
        return None
    height, value = arrays["local/height_angstrom"], arrays["local/flux"]
    lower, upper = (np.clip(arrays[f"local/flux_{end}"], -1e290, 1e290) for end in ("lower", "upper"))
    with figure_style():
        figure = Figure(figsize=(5.6, 3.7))
        axes = figure.subplots()
        for number, symbol in enumerate(grid.local.species):
            axes.plot(
                height, value[:, number], color=CYCLE[number % len(CYCLE)], marker=".",
                linestyle=DASHES[number % len(DASHES)], label=symbol,
            )  # fmt: skip
            axes.fill_between(
                height,
                lower[:, number],
                upper[:, number],
                color=CYCLE[number % len(CYCLE)],
                alpha=0.16,
                linewidth=0,
            )
        _symmetric(axes, float(np.nanmax(np.abs(value))))
        axes.set(
            xlabel="Height along the normal (Å)", ylabel="J_i, atoms/(nm² ps), upwards positive",
            title="Driven by gradients of an ideal solution",
        )  # fmt: skip
        axes.set_xlim(height.min(), height.max())
        axes.legend(fontsize=8)
    return figure


def _symmetric(axes: Axes, largest: float) -> None:
    """Make an axis linear up to the largest value and logarithmic beyond, where intervals reach."""
    largest = largest or 1.0
    axes.set_yscale("symlog", linthresh=largest)
    axes.set_ylim(-100 * largest, 100 * largest)
    axes.axhline(0.0, color=BLACK, linewidth=0.8)


def _matrix_figure(
    species: Sequence[str],
    x: NDArray[np.floating],
    value: NDArray[np.floating],
    lower: NDArray[np.floating],
    upper: NDArray[np.floating],
    *,
    xlabel: str,
    knots: Sequence[float] = (),
    beside: bool = False,
) -> Figure:
    """Draw L_ii on a logarithmic axis, and L_ij of different species on one that is linear about zero."""
    diagonal = [(i, i) for i in range(len(species))]
    crossed = [(i, j) for i, j in combinations_with_replacement(range(len(species)), 2) if i != j]
    panels = [each for each in (diagonal, crossed) if each]
    with figure_style():
        figure = Figure(figsize=(1.2 + 4.0 * (len(panels) + beside), 3.7))
        found = list(figure.subplots(1, len(panels) + beside, squeeze=False).flat)
        for axes, pairs in zip(found[beside:], panels, strict=True):
            shown: list[float] = []
            for number, (i, j) in enumerate(pairs):
                colour = CYCLE[(number + (3 if pairs is crossed else 0)) % len(CYCLE)]
                axes.plot(
                    x, value[:, i, j], color=colour, linestyle=DASHES[number % len(DASHES)],
                    marker="." if beside else None, label=f"{species[i]}–{species[j]}",
                )  # fmt: skip
                axes.fill_between(
                    x, np.clip(lower[:, i, j], -1e290, None), np.clip(upper[:, i, j], None, 1e290),
                    color=colour, alpha=0.16, linewidth=0,
                )  # fmt: skip
                shown += value[:, i, j][np.isfinite(value[:, i, j])].tolist()
            for knot in knots:
                axes.axvline(knot, color=GREY, linewidth=0.8, linestyle=":")
            if pairs is diagonal:
                axes.set_yscale("log")
                _hold(axes, [each for each in shown if each > 0])
                axes.set(xlabel=xlabel, ylabel=f"L_ii, {UNIT}", title="Same species")
            else:
                _symmetric(axes, max((abs(each) for each in shown), default=0.0))
                axes.set(xlabel=xlabel, ylabel=f"L_ij, {UNIT}", title="Different species")
            axes.legend(fontsize=8)
            axes.set_xlim(x.min(), x.max())
    return figure


def _hold(axes: Axes, values: Sequence[float]) -> None:
    """Keep an axis near the values, however far their intervals reach."""
    if values:
        low, high = np.log10(min(values)), np.log10(max(values))
        bottom, top = (np.log10(each) for each in axes.get_ylim())
        axes.set_ylim(10 ** max(bottom, low - DECADES), 10 ** min(top, high + DECADES))


def _inverse(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Turn 1000 / T into T and back."""
    x = np.asarray(x, dtype=float)
    return np.divide(1000.0, x, out=np.full(x.shape, 1e6), where=x > 1e-6)


def _apart(temperatures_K: Sequence[float]) -> list[float]:
    """Leave out temperatures whose labels would touch."""
    kept: list[float] = []
    span = abs(1 / min(temperatures_K) - 1 / max(temperatures_K)) or 1.0
    for temperature in sorted(set(temperatures_K)):
        if all(abs(1 / temperature - 1 / other) > 0.11 * span for other in kept):
            kept.append(temperature)
    return kept
