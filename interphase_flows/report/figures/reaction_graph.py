"""Reaction graph: anions as boxes, from intact anions on the left to products on the right."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.results import ReactionsResult
from interphase_flows.report.figures.style import BLACK, CYCLE, GREY, figure_style
from interphase_flows.report.text.numbers import rounded

MOST_ARROWS = 12
COLUMNS = ((0, 1, 2, 3), (4, 9), (5, 6, 7, 8))
"""Positions in `AnionChemistry.labels`: intact anions, fragments, products."""
STAGGER, BEND = 0.16, 0.2
ALONG_ARC = (0.42, 0.34, 0.5, 0.28, 0.58, 0.22, 0.66, 0.74)
"""Places of a label along its arrow in the order of preference; before the middle labels of opposite arrows differ."""
RATE_SIZE, NAME_SIZE = 7.5, 8.0
"""Font sizes in points."""


def reaction_graph_figure(labels: Sequence[str], reactions: Mapping[str, ReactionsResult | Unavailable]) -> Figure:
    """Draw one graph for each role, atoms counted; arrows carry events and rate.

    Parameters
    ----------
    labels
        All names of anions in their order.
    reactions
        By role of the atoms.
    """
    shown = {role: each for role, each in reactions.items() if isinstance(each, ReactionsResult)}
    with figure_style():
        figure = Figure(figsize=(11.0, 4.6))
        for axes, (role, each) in zip(figure.subplots(1, len(shown), squeeze=False).flat, shown.items(), strict=True):
            _draw(axes, labels, each, role)
    return figure


def _draw(axes: Axes, labels: Sequence[str], graph: ReactionsResult, role: str) -> None:
    arrows = graph.transitions[:MOST_ARROWS]
    named = {*graph.at_risk_atom_ps, *(end for t in arrows for end in (t.before, t.after))}
    places = _places([name for name in labels if name in named], labels)
    left_out = len(graph.transitions) - len(arrows)
    title = f"atoms of {role}" + (f" ({left_out} rarer reactions omitted)" if left_out else "")
    right = max((x for x, _ in places.values()), default=0.0)
    axes.set(xlim=(-0.6, right + 0.45), ylim=(-0.16, 1.16))
    axes.axis("off")
    axes.set_title(title)
    most = max((t.n_events for t in arrows), default=1)
    total = sum(graph.at_risk_atom_ps.values()) or 1.0
    shares = {name: graph.at_risk_atom_ps.get(name, 0.0) / total for name in places}
    boxes = {name: f"{name}\n{100 * share:.0f} % of time" for name, share in shares.items()}
    taken = [_text_area(axes, axes.transData.transform(places[name]), boxes[name], NAME_SIZE, 0.35) for name in places]
    for number, t in enumerate(arrows):
        begin, end = np.array(places[t.before]), np.array(places[t.after])
        colour = CYCLE[number % len(CYCLE)]
        axes.annotate(
            "",
            xy=tuple(end),
            xytext=tuple(begin),
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "linewidth": 0.8 + 2.2 * t.n_events / most,
                "connectionstyle": f"arc3,rad={BEND}",
                "shrinkA": 26,
                "shrinkB": 26,
                "alpha": 0.85,
            },
        )
        text = f"{t.n_events} · {rounded(t.rate_per_ps.value, 2)}/ps"
        free = [_text_area(axes, _on_arc(begin, end, axes, along), text, RATE_SIZE, 0.12) for along in ALONG_ARC]
        covered = [sum(_shared_area(area, other) for other in taken) for area in free]
        area = free[int(np.argmin(covered))]
        taken.append(area)
        x, y = axes.transData.inverted().transform((area.x0 + area.width / 2, area.y0 + area.height / 2))
        axes.text(
            x, y, text,
            ha="center", va="center", fontsize=RATE_SIZE, color=colour, zorder=5,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip
    for name, place in places.items():
        edge = {"edgecolor": GREY, "linewidth": 0.8 + 3 * shares[name]}
        axes.text(
            *place, boxes[name], ha="center", va="center", fontsize=NAME_SIZE, color=BLACK, zorder=4,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": "#f6f7f9", **edge},
        )  # fmt: skip
    if not arrows:
        axes.text(0.5 * right, -0.12, "no reaction observed", ha="center", fontsize=9, color=GREY)


def _places(names: Sequence[str], labels: Sequence[str]) -> dict[str, tuple[float, float]]:
    places = {}
    columns = [here for column in COLUMNS if (here := [labels[c] for c in column if labels[c] in names])]
    for x, here in enumerate(columns):
        heights = np.linspace(1.0, 0.0, len(here)) if len(here) > 1 else [0.5]
        for row, (name, y) in enumerate(zip(here, heights, strict=True)):
            # staggered, because an arrow would cross a box in between
            places[name] = (x + (STAGGER if row % 2 else -STAGGER if len(here) > 1 else 0.0), float(y))
    return places


def _on_arc(begin: np.ndarray, end: np.ndarray, axes: Axes, along: float) -> np.ndarray:
    """Return a point of an arc of `connectionstyle`, in pixels."""
    a, b = axes.transData.transform(begin), axes.transData.transform(end)
    control = 0.5 * (a + b) + BEND * np.array([(b - a)[1], -(b - a)[0]])
    return np.asarray((1 - along) ** 2 * a + 2 * along * (1 - along) * control + along**2 * b)


def _text_area(axes: Axes, centre: np.ndarray, text: str, size: float, padding: float) -> Bbox:
    """Return the area of a text in its box in pixels, from the mean width of characters."""
    lines = text.split("\n")
    pixels = size * axes.get_figure(root=True).dpi / 72  # type: ignore[union-attr]
    width = pixels * (0.6 * max(map(len, lines)) + 2 * padding)
    height = pixels * (1.25 * len(lines) + 2 * padding)
    return Bbox.from_bounds(centre[0] - width / 2, centre[1] - height / 2, width, height)


def _shared_area(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)
