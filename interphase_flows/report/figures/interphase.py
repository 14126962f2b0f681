"""Figures of the interphase: composition by height, anions and displacement against time.

Bands are standard errors over replicas. A single replica has no band; the title then states that there is no interval.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interphase_flows.report.figures.profiles import density_map_figure
from interphase_flows.report.figures.style import CYCLE, DASHES, GREY, element_colour, figure_style
from interphase_flows.report.inputs.interphase import CompositionProfile, SeriesBand

SMALLEST_SHARE = 0.01
"""Anions whose fraction of the centres is always smaller are omitted from the figure, not from the table."""


def _band_label(n: int) -> str:
    """Return the meaning of the bands for a title."""
    return "n = 1, no interval" if n < 2 else f"mean ± standard error, n = {n}"


def composition_start_end(profile: CompositionProfile | None) -> Figure | None:
    """Draw the number density of each element against height, in the first and in the last block of time."""
    if profile is None:
        return None
    blocks = sorted({0, len(profile.block_ps) - 1})
    mean, error = profile.atoms_per_nm3.value, profile.atoms_per_nm3.standard_error
    with figure_style():
        figure = Figure(figsize=(9.6, 3.3))
        panels = figure.subplots(1, len(blocks), sharey=True, squeeze=False)[0]
        for axes, block in zip(panels, blocks, strict=True):
            edges = profile.edges_angstrom * (profile.block_period_angstrom[block] / profile.edges_angstrom[-1])
            for number, element in enumerate(profile.elements):
                colour = element_colour(element, number)
                axes.stairs(
                    mean[block, number],
                    edges,
                    baseline=None,
                    color=colour,
                    linestyle=DASHES[number % 4],
                    label=element,
                )
                if profile.n_replicas > 1:
                    low, high = (mean + sign * error for sign in (-1, 1))
                    axes.stairs(
                        high[block, number],
                        edges,
                        baseline=low[block, number],
                        fill=True,
                        color=colour,
                        alpha=0.2,
                    )
            begin, end = profile.block_ps[block]
            axes.set(title=f"{begin:.2f} to {end:.2f} ps", xlabel="Height along the normal (Å)", ylim=(0, None))
        panels[0].set_ylabel("Number density (atoms/nm³)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
        figure.suptitle(f"Composition ({_band_label(profile.n_replicas)})", fontsize=10)
    return figure


def composition_map(profile: CompositionProfile | None) -> Figure | None:
    """Draw the number density of each element against height and time."""
    if profile is None or len(profile.block_ps) < 2:
        return None
    arrays = {
        "profiles.edges_angstrom": profile.edges_angstrom,
        "profiles.block_period_angstrom": profile.block_period_angstrom,
        "profiles.block_ps": profile.block_ps,
        "profiles.atoms_per_nm3": np.asarray(profile.atoms_per_nm3.value),
    }
    return density_map_figure(profile.elements, arrays)


def anions_against_time(environments: SeriesBand | None) -> Figure | None:
    """Draw the fraction of anion centres in each kind of anion."""
    if environments is None:
        return None
    kept = [i for i in range(len(environments.names)) if np.max(environments.curves.value[:, i]) >= SMALLEST_SHARE]
    with figure_style():
        figure = Figure(figsize=(9.6, 3.7))
        axes = figure.subplots()
        _curves(axes, environments, kept, scale=100.0)
        axes.set(
            xlabel="Time (ps)",
            ylabel="Fraction of anion centres (%)",
            ylim=(0, None),
            title=f"Anion centres by kind of anion ({_band_label(environments.n_replicas)})",
        )
    return figure


def displacement_against_time(displacement: SeriesBand | None) -> Figure | None:
    """Draw the mean squared displacement of each species from the first frame."""
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
            title=f"Displacement from the first frame ({_band_label(displacement.n_replicas)})",
        )
    return figure


def _curves(
    axes: Axes, band: SeriesBand, kept: list[int], *, scale: float = 1.0, colours: list[str] | None = None
) -> None:
    ends = []
    for number, column in enumerate(kept):
        colour = colours[column] if colours else CYCLE[number % len(CYCLE)]
        mean = scale * band.curves.value[:, column]
        axes.plot(band.time_ps, mean, color=colour, linestyle=DASHES[(number // len(CYCLE)) % 4])
        if band.n_replicas > 1:
            error = scale * band.curves.standard_error[:, column]
            axes.fill_between(band.time_ps, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        if len(mean):
            ends.append((float(mean[-1]), band.names[column], colour))
    # names are beside the ends of the curves, at least a line apart
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
