"""Figures of phases: labels against height and time, anions, networks, diffraction, order."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from interphase_flows.analysis.phases.atom_labels import AMORPHOUS, CHAINS, ELECTROLYTE, METAL, UNKNOWN_LABEL
from interphase_flows.analysis.phases.results import PercolationResult, PhasesResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.report.figures.interphase_lines import (
    dashes_of,
    heights_against_time,
    interphases_of,
)
from interphase_flows.report.figures.phase_kinetics import share_kinetics_figure
from interphase_flows.report.figures.reaction_graph import reaction_graph_figure
from interphase_flows.report.figures.style import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    ELECTRODE_COLOUR,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    figure_style,
)

Arrays = Mapping[str, NDArray[np.floating]]
_OWN_COLOURS = {
    UNKNOWN_LABEL: "#D5D9DE",
    METAL: ELECTRODE_COLOUR,
    ELECTROLYTE: YELLOW,
    CHAINS: PURPLE,
    AMORPHOUS: ORANGE,
}
_CRYSTAL_COLOURS = (BLUE, GREEN, VERMILION, SKY, BLACK)
DISSOLVED = " dissolved in "


def phase_figures(phases: PhasesResult | Unavailable, arrays: Arrays) -> dict[str, tuple[Figure, str]]:
    """Draw the phases of a run: figure and alternative text, by name."""
    if isinstance(phases, Unavailable):
        return {}
    drawn: dict[str, tuple[Figure, str]] = {
        "anion_counts": (
            anion_counts_figure(phases.anions.labels, arrays),
            "Number of each anion against time",
        ),
    }
    if not all(isinstance(each, Unavailable) for each in phases.reactions.values()):
        drawn["reactions"] = (
            reaction_graph_figure(phases.anions.labels, phases.reactions),
            "Graph of the reactions between anions, with events and rates",
        )
    if any(phases.kinetics.fitted()):
        drawn["share_kinetics"] = (
            share_kinetics_figure(phases.kinetics, arrays),
            "Fractions of anions and phases against time, with the laws by which they change",
        )
    labels, network = phases.labels, phases.percolation
    if not isinstance(labels, Unavailable):
        drawn["phase_profile"] = (
            phase_profile_figure(labels.names, arrays),
            "Stacked fractions of phases against height, at the start and at the end",
        )
        drawn["phase_map"] = (
            phase_map_figure(labels.names, arrays),
            "Most frequent phase against height and time",
        )
    if not isinstance(network, Unavailable) and not all(
        isinstance(each, Unavailable) for each in network.sides.values()
    ):
        drawn["percolation"] = (
            percolation_figure(network),
            f"Fraction of frames in which a network of {network.pair} bonds crosses, against the longest bond",
        )
    drawn["diffraction"] = (
        diffraction_figure(phases.diffraction.lines, arrays),
        "Simulated powder pattern of the end, with the lines of the reference phases",
    )
    if phases.order.pairs:
        drawn["order"] = (
            order_figure(list(phases.order.pairs), arrays),
            "Translational order tau against time",
        )
    return drawn


def label_colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each label; dissolved species have a pale shade of the colour of their host crystal."""
    colours = dict(_OWN_COLOURS)
    crystals = [name for name in names if name not in colours and DISSOLVED not in name]
    for number, name in enumerate(crystals):
        colours[name] = _CRYSTAL_COLOURS[number % len(_CRYSTAL_COLOURS)]
    for name in names:
        if DISSOLVED in name:
            pale = 0.5 + 0.5 * np.array(to_rgb(colours[name.partition(DISSOLVED)[2]]))
            colours[name] = "#" + "".join(f"{round(255 * c):02x}" for c in pale)
    return {name: colours[name] for name in names}


def phase_profile_figure(names: Sequence[str], arrays: Arrays) -> Figure:
    """Draw stacked fractions of labels against height: first tenth and last third of the labelled frames."""
    atoms, periods = arrays["phases.map_atoms"], arrays["phases.map_period_angstrom"]
    colours, n = label_colours(names), len(atoms)
    parts = (("start", slice(0, max(1, n // 10))), ("end", slice(-max(1, n // 3), None)))
    shown = _shown(names, atoms)
    with figure_style():
        figure = Figure(figsize=(9.6, 3.6))
        both = figure.subplots(1, 2, sharey=True)
        for axes, (when, rows) in zip(both, parts, strict=True):
            first = arrays["phases.map_edges_angstrom"]
            edges = first * (periods[rows].mean() / first[-1])
            counts = atoms[rows].sum(axis=0)
            total = counts.sum(axis=0)
            share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
            below = np.zeros(share.shape[1])
            for name in shown:
                row = share[names.index(name)]
                axes.bar(
                    edges[:-1], row, np.diff(edges), bottom=below, align="edge", color=colours[name],
                    edgecolor="white", linewidth=0.6, hatch="////" if DISSOLVED in name else None,
                )  # fmt: skip
                below = below + row
            _boundaries(axes, arrays, rows)
            axes.set(title=when, xlabel="Height (Å)", xlim=(edges[0], edges[-1]), ylim=(0, 1))
        both[0].set_ylabel("Fraction of atoms")
        _legend(figure, shown, colours)
    return figure


def phase_map_figure(names: Sequence[str], arrays: Arrays) -> Figure:
    """Draw the most frequent label of each slab against time; paler where fewer atoms have it."""
    atoms, edges, times = (arrays[f"phases.{name}"] for name in ("map_atoms", "map_edges_angstrom", "map_time_ps"))
    colours = label_colours(names)
    total = atoms.sum(axis=1)
    first = atoms.argmax(axis=1)
    share = np.divide(atoms.max(axis=1), total, out=np.zeros_like(total), where=total > 0)
    palette = np.array([to_rgb(colours[name]) for name in names])
    image = 1.0 - share[..., None] * (1.0 - palette[first])
    middle = 0.5 * (times[1:] + times[:-1])
    time_edges = np.concatenate([times[:1], middle, times[-1:]]) if len(times) > 1 else np.array([0.0, 1.0])
    periods = arrays["phases.map_period_angstrom"]
    heights = heights_against_time(edges, periods)
    with figure_style():
        figure = Figure(figsize=(9.6, 3.8))
        axes = figure.subplots()
        axes.pcolormesh(np.broadcast_to(time_edges, heights.shape), heights, image.transpose(1, 0, 2), rasterized=True)
        axes.grid(visible=False)
        for name, ends in interphases_of(arrays, "phases"):
            for column in ends.T:
                axes.plot(times, column, color=BLACK, linewidth=1.2, linestyle=dashes_of(name))
        axes.set(xlabel="Time (ps)", ylabel="Height (Å)", ylim=(0, periods.max()))
        most = [name for i, name in enumerate(names) if ((first == i) & (total > 0)).any()]
        _legend(figure, most, colours)
    return figure


def anion_counts_figure(labels: Sequence[str], arrays: Arrays) -> Figure:
    """Draw the number of each anion that occurs."""
    times, counts = arrays["phases.anion_time_ps"], arrays["phases.anion_counts"]
    with figure_style():
        figure = Figure(figsize=(9.6, 3.4))
        axes = figure.subplots()
        occurring = [i for i in range(counts.shape[1]) if counts[:, i].any()]
        for number, column in enumerate(occurring):
            axes.plot(
                times, counts[:, column], drawstyle="steps-mid", color=CYCLE[number % len(CYCLE)],
                linestyle=DASHES[(number // len(CYCLE) + number) % len(DASHES)], label=labels[column],
            )  # fmt: skip
        axes.set(xlabel="Time (ps)", ylabel="Number of anions", ylim=(0, None))
        figure.legend(loc="outside right upper")
    return figure


def percolation_figure(network: PercolationResult) -> Figure:
    """Draw the fraction of frames with a crossing network, and the largest network, against the longest bond."""
    cutoffs = network.cutoffs_angstrom
    with figure_style():
        figure = Figure(figsize=(7.2, 3.4))
        axes = figure.subplots()
        for number, (name, each) in enumerate(network.sides.items()):
            if isinstance(each, Unavailable):
                continue
            colour = CYCLE[number % len(CYCLE)]
            axes.plot(
                cutoffs,
                each.crossing_share,
                "o-",
                color=colour,
                label=f"{name}: fraction of frames with a crossing network",
            )
            axes.plot(
                cutoffs,
                each.largest_share,
                "s--",
                color=colour,
                alpha=0.6,
                label=f"{name}: largest network, fraction of its atoms",
            )
        axes.axvline(network.bond_angstrom, color=GREY, linestyle=":")
        axes.text(network.bond_angstrom, 1.06, " longest bond", ha="left", fontsize=8, color=GREY)
        axes.set(xlabel=f"Longest {network.pair} distance that counts as a bond (Å)", ylim=(-0.03, 1.14))
        figure.legend(loc="outside right upper")
    return figure


def diffraction_figure(lines: Mapping[str, Sequence[tuple[float, float]]], arrays: Arrays) -> Figure:
    """Draw the pattern above rows of sticks, one row for each phase."""
    angles, pattern = arrays["phases.two_theta_deg"], arrays["phases.diffraction"]
    with figure_style():
        figure = Figure(figsize=(9.6, 3.0 + 0.36 * len(lines)))
        rows = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 0.5 * max(1, len(lines))))
        rows[0].plot(angles, pattern, color=BLUE)
        rows[0].set(ylabel="Intensity\n(electron units/atom)", xlim=(angles[0], angles[-1]))
        for number, (_, sticks) in enumerate(lines.items()):
            for angle, intensity in sticks:
                rows[1].plot(
                    [angle] * 2,
                    [number - 0.4, number - 0.4 + 0.85 * intensity / 100],
                    color=BLACK,
                    linewidth=1.4,
                )
        rows[1].set_yticks(range(len(lines)), list(lines))
        rows[1].set(xlabel="2θ of Cu K-alpha (degrees)", ylim=(-0.5, max(0.5, len(lines) - 0.4)))
        rows[1].grid(visible=False, axis="y")
    return figure


def order_figure(pairs: Sequence[str], arrays: Arrays) -> Figure:
    """Draw tau of each pair against time."""
    with figure_style():
        figure = Figure(figsize=(7.2, 3.0))
        axes = figure.subplots()
        for number, name in enumerate(pairs):
            axes.plot(
                arrays["phases.order_time_ps"], arrays[f"phases.order {name}"], "o-",
                color=CYCLE[number % len(CYCLE)], label=name,
            )  # fmt: skip
        axes.update_datalim([(0.0, 0.0)], updatex=False)  # includes zero, with a margin at the top
        axes.autoscale_view(scalex=False)
        axes.set(xlabel="Time (ps)", ylabel="Translational order τ", ylim=(0, None))
        axes.legend(loc="lower right")
    return figure


def _shown(names: Sequence[str], atoms: NDArray[np.floating]) -> list[str]:
    there = atoms.sum(axis=(0, 2)) > 0
    return [name for name, occurs in zip(names, there, strict=True) if occurs]


def _boundaries(axes: Axes, arrays: Arrays, rows: slice) -> None:
    for name, ends in interphases_of(arrays, "phases"):
        here = ends[rows]
        here = here[np.isfinite(here).all(axis=1)]
        for height in here.mean(axis=0) if len(here) else ():
            axes.axvline(height, color=BLACK, linewidth=1.2, linestyle=dashes_of(name))


def _legend(figure: Figure, names: Sequence[str], colours: Mapping[str, str]) -> None:
    patches = [
        Patch(
            facecolor=colours[name],
            edgecolor="white",
            hatch="////" if DISSOLVED in name else None,
            label=name,
        )
        for name in names
    ]
    figure.legend(handles=patches, loc="outside right upper")
