"""Scenes of structures for the viewer of the page, with unbroken anions and the cell, and static drawings of them.

Coordinates are rotated so that the interface normal points up and the lattice vector a points right.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from pydantic import JsonValue
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from interphase_flows.analysis.geometry.neighbours import fractional, pairs_within
from interphase_flows.exceptions import AnalysisError
from interphase_flows.report.figures.style import ELECTRODE_COLOUR, element_colour, figure_style
from interphase_flows.report.inputs.interphase import StructureView


@dataclass(frozen=True)
class Scene:
    """Atoms, bonds and cell in the coordinates of the view (Å)."""

    title: str
    symbols: list[str]
    positions: np.ndarray
    bonds: np.ndarray
    """(n_bonds, 2)."""
    cell: np.ndarray
    from_electrode: np.ndarray
    ions: list[str]
    """Elements that never take part in a drawn bond."""

    def colours(self) -> list[str]:
        """Return one colour per atom."""
        return [
            ELECTRODE_COLOUR if electrode else element_colour(symbol)
            for symbol, electrode in zip(self.symbols, self.from_electrode, strict=True)
        ]

    def cell_edges(self) -> np.ndarray:
        """Return the twelve edges of the cell, (12, 2, 3)."""
        corners = np.array(list(product((0, 1), repeat=3)))
        pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(corners[a] - corners[b]).sum() == 1]
        return (corners @ self.cell)[np.array(pairs)]

    def as_json(self) -> dict[str, JsonValue]:
        """Return the input of the viewer of the page."""
        return {
            "symbols": self.symbols,
            "xyz": np.round(self.positions, 3).tolist(),
            "bonds": self.bonds.tolist(),
            "edges": np.round(self.cell_edges(), 3).tolist(),
            "electrode": np.flatnonzero(self.from_electrode).tolist(),
            "colours": {symbol: element_colour(symbol) for symbol in sorted(set(self.symbols))},
            "electrodeColour": ELECTRODE_COLOUR,
            "ions": self.ions,
        }


def scene_of(view: StructureView) -> Scene:
    """Return the scene of a structure: unwrap its anions and rotate the interface normal upwards.

    Raises
    ------
    AnalysisError
        Symbols and positions differ in number, or the cell has no volume.
    """
    positions, cell = np.asarray(view.positions, dtype=float), np.asarray(view.cell, dtype=float)
    symbols = list(view.symbols)
    if positions.shape != (len(symbols), 3):
        raise AnalysisError(f"{view.title!r}: {len(symbols)} symbols for positions of shape {positions.shape}")
    positions = (fractional(positions, cell) % 1.0) @ cell
    bonds = _bonds(view, positions, cell)
    positions = _unwrapped(positions, cell, bonds)
    # bonds that close a ring through the cell would cross the drawing
    lengths = np.linalg.norm(positions[bonds[:, 0]] - positions[bonds[:, 1]], axis=1)
    drawn = bonds[lengths < 1.01 * max(view.bonds_angstrom.values(), default=0.0)]
    electrode = view.from_electrode if view.from_electrode is not None else np.zeros(len(symbols), dtype=bool)
    right = cell[0] / np.linalg.norm(cell[0])
    up = np.cross(cell[0], cell[1])
    up = up / np.linalg.norm(up) * (1 if up @ cell[2] > 0 else -1)
    turn = np.array([right, up, np.cross(right, up)]).T
    binding = {symbol for pair in view.bonds_angstrom for symbol in pair}
    return Scene(
        title=view.title,
        symbols=symbols,
        positions=positions @ turn,
        bonds=drawn,
        cell=cell @ turn,
        from_electrode=np.asarray(electrode, dtype=bool),
        ions=sorted(set(symbols) - binding),
    )


def _bonds(view: StructureView, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the bonded pairs, (n_bonds, 2)."""
    if not view.bonds_angstrom:
        return np.empty((0, 2), dtype=np.int64)
    bonded = np.isin(np.array(view.symbols), sorted({s for pair in view.bonds_angstrom for s in pair}))
    members = np.flatnonzero(bonded)
    pairs = pairs_within(positions[members], cell, max(view.bonds_angstrom.values()))
    limits = {frozenset(pair): length for pair, length in view.bonds_angstrom.items()}
    found = {
        (members[i], members[j])
        for i, j, distance in zip(*pairs, strict=True)
        if i < j and distance <= limits.get(frozenset((view.symbols[members[i]], view.symbols[members[j]])), 0.0)
    }
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def _unwrapped(positions: np.ndarray, cell: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Move bonded atoms to the periodic image nearest to the atom that they are bonded to."""
    n = len(positions)
    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n, n)).tocsr()
    images = np.array(list(product((-1, 0, 1), repeat=3))) @ cell
    placed = positions.copy()
    _, unit = connected_components(graph, directed=False)
    _, roots, sizes = np.unique(unit, return_index=True, return_counts=True)
    for root in roots[sizes > 1]:
        order, parents = breadth_first_order(graph, root, directed=False)
        for atom in order[1:]:
            apart = positions[atom] - placed[parents[atom]]
            apart -= np.round(fractional(apart[None], cell)[0]) @ cell
            candidates = apart + images
            placed[atom] = placed[parents[atom]] + candidates[(candidates**2).sum(axis=1).argmin()]
    return placed


def draw_scene(scene: Scene, limits: tuple[np.ndarray, np.ndarray] | None = None) -> Figure:
    """Draw the structure in a side view, for print and for browsers without WebGL.

    Parameters
    ----------
    scene
        The structure.
    limits
        Lower left and upper right corner in Å, (2,) each, so that several drawings have one scale; by default those of
        the atoms and the cell.
    """
    with figure_style():
        figure = Figure(figsize=(4.6, 6.0))
        axes = figure.subplots()
        xyz, depth = scene.positions, scene.positions[:, 2]
        axes.add_collection(LineCollection(scene.cell_edges()[:, :, :2].tolist(), colors="#9aa3af", linewidths=0.9))
        if len(scene.bonds):
            axes.add_collection(
                LineCollection(xyz[scene.bonds][:, :, :2].tolist(), colors="#7d8590", linewidths=2.2, zorder=2)
            )
        back_to_front = np.argsort(depth)
        radii = np.array([covalent_radii[atomic_numbers[s]] for s in scene.symbols])
        extent = np.vstack([xyz[:, :2], scene.cell_edges().reshape(-1, 3)[:, :2]])
        low, high = (extent.min(axis=0) - 1.2, extent.max(axis=0) + 1.2) if limits is None else limits
        spread = high - low
        points_per_angstrom = 72 * min(4.2 / max(spread[0], 1), 5.4 / max(spread[1], 1))
        colours = np.array(scene.colours())
        axes.scatter(
            xyz[back_to_front, 0],
            xyz[back_to_front, 1],
            s=(0.9 * radii[back_to_front] * points_per_angstrom) ** 2,
            c=colours[back_to_front],
            edgecolors="#333",
            linewidths=0.5,
            zorder=3,
            rasterized=len(xyz) > 2000,
        )
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return figure
