"""Figures of the interphase: composition, anions and displacement against time.

Bands are standard errors over replicas; one replica has none, and the title then says so.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interphase_flows.report.collect.inputs import CompositionProfile, SeriesBand
from interphase_flows.report.figures.style import CYCLE, DASHES, GREY, element_colour, figure_style

LEAST_SHOWN = 0.01
"""Anions that never hold this share of the centres are left out of the figure (not of the table)."""


def replicas_in_words(n: int) -> str:
    """Say what the bands are."""
    return "n = 1, no interval" if n < 2 else f"mean ± standard error, n = {n}"


def profile_start_end(profile: CompositionProfile | None) -> Figure | None:
    """Number density of each element along the normal, first tenth and last tenth of the time."""
    if profile is None:
        return None
    density = np.asarray(profile.density_per_angstrom3)
    few = max(1, len(profile.time_ps) // 10)
    middle = 0.5 * (profile.bin_edges_angstrom[1:] + profile.bin_edges_angstrom[:-1])
    panels = [
        (f"First {_span(profile.time_ps[:few])}", slice(0, few)),
        (f"Last {_span(profile.time_ps[-few:])}", slice(len(density) - few, None)),
    ]
    with figure_style():
        figure = Figure(figsize=(9.6, 3.3))
        for axes, (title, frames) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
            for number, element in enumerate(profile.elements):
                mean = 1e3 * density[frames, number].mean(axis=0)
                colour = element_colour(element, number)
                axes.step(
                    middle, mean, where="mid", color=colour, linestyle=DASHES[number % 4], label=element
                )
                if profile.standard_error_per_angstrom3 is not None and profile.n_replicas > 1:
                    # frames are correlated: averaging over them does not shrink the error
                    error = 1e3 * np.asarray(profile.standard_error_per_angstrom3)[frames, number].mean(
                        axis=0
                    )
                    axes.fill_between(
                        middle, mean - error, mean + error, step="mid", color=colour, alpha=0.2, linewidth=0
                    )
            axes.set(title=title, xlabel="Height along the normal (Å)", ylim=(0, None))
        figure.axes[0].set_ylabel("Number density (atoms/nm³)")
        figure.axes[1].legend(ncols=len(profile.elements), loc="lower right", bbox_to_anchor=(1.0, 0.98))
    return figure


def _span(times: np.ndarray) -> str:
    return f"frame ({times[0]:.2f} ps)" if len(times) == 1 else f"frames ({times[0]:.2f}–{times[-1]:.2f} ps)"


def profile_map(profile: CompositionProfile | None) -> Figure | None:
    """Density of each element against height and time."""
    if profile is None or len(profile.time_ps) < 2:
        return None
    density = 1e3 * np.asarray(profile.density_per_angstrom3)
    time = np.asarray(profile.time_ps, dtype=float)
    halves = 0.5 * (time[1:] + time[:-1])
    edges = np.concatenate([[time[0]], halves, [time[-1]]])
    with figure_style():
        figure = Figure(figsize=(9.6, 3.2))
        grid = figure.subplots(1, len(profile.elements), sharey=True, squeeze=False)[0]
        for number, (axes, element) in enumerate(zip(grid, profile.elements, strict=True)):
            mesh = axes.pcolormesh(
                edges,
                profile.bin_edges_angstrom,
                density[:, number].T,
                cmap="cividis",
                vmin=0,
                rasterized=True,
            )
            axes.set(title=element, xlabel="Time (ps)")
            axes.grid(visible=False)
            figure.colorbar(mesh, ax=axes, pad=0.02, label="atoms/nm³" if number == len(grid) - 1 else "")
        grid[0].set_ylabel("Height along the normal (Å)")
    return figure


def anions_against_time(environments: SeriesBand | None) -> Figure | None:
    """Share of anion centres in each kind of anion."""
    if environments is None:
        return None
    kept = [i for i in range(len(environments.names)) if np.max(environments.mean[:, i]) >= LEAST_SHOWN]
    with figure_style():
        figure = Figure(figsize=(9.6, 3.7))
        axes = figure.subplots()
        _curves(axes, environments, kept, scale=100.0)
        axes.set(
            xlabel="Time (ps)",
            ylabel="Share of anion centres (%)",
            ylim=(0, None),
            title=f"Which anion a centre belongs to ({replicas_in_words(environments.n_replicas)})",
        )
    return figure


def displacement_against_time(displacement: SeriesBand | None) -> Figure | None:
    """Mean squared displacement of each species from the first frame."""
    if displacement is None:
        return None
    colours = [element_colour(name, i) for i, name in enumerate(displacement.names)]
    with figure_style():
        figure = Figure(figsize=(9.6, 3.4))
        axes = figure.subplots()
        _curves(axes, displacement, list(range(len(displacement.names))), colours=colours)
        axes.set(
            xlabel="Time (ps)",
            ylabel="Mean squared displacement (Å²)",
            ylim=(0, None),
            title=f"Displacement from the first frame ({replicas_in_words(displacement.n_replicas)})",
        )
    return figure


def _curves(
    axes: Axes, band: SeriesBand, kept: list[int], *, scale: float = 1.0, colours: list[str] | None = None
) -> None:
    ends = []
    for number, column in enumerate(kept):
        colour = colours[column] if colours else CYCLE[number % len(CYCLE)]
        mean = scale * np.asarray(band.mean)[:, column]
        axes.plot(band.time_ps, mean, color=colour, linestyle=DASHES[(number // len(CYCLE)) % 4])
        if band.standard_error is not None and band.n_replicas > 1:
            error = scale * np.asarray(band.standard_error)[:, column]
            axes.fill_between(band.time_ps, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        if len(mean):
            ends.append((float(mean[-1]), band.names[column], colour))
    # names stand beside the curves' ends, pushed apart where curves meet
    low, high = axes.get_ylim()
    least = 0.065 * (high - min(low, 0.0))
    previous = -np.inf
    for value, name, colour in sorted(ends):
        height = max(value, previous + least)
        previous = height
        axes.annotate(
            name,
            (1, height),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=9,
            annotation_clip=False,
            fontweight="bold",
        )
    if not ends:
        axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes, color=GREY)
    elif len(band.time_ps) > 1:
        axes.set_xlim(band.time_ps[0], band.time_ps[-1])
