"""The data of a figure as a table: every curve, band, bar, point and map that is drawn."""

import csv
import io
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from interphase_flows.analysis.array_types import FloatArray

COLUMNS = ("panel", "kind", "curve", "x", "y", "value")
"""``value`` is that of a map; colour scales and maps of mixed colours are left out. A band is the outline of its polygon.
A bar is at its left end and base, with its height as value."""


def figure_csv(figure: Figure) -> str:
    """Return the drawn data, one point a row, with the columns `COLUMNS`."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, axes in enumerate(figure.axes):
        panel = axes.get_title("left") or axes.get_title() or axes.get_ylabel() or str(number + 1)
        for kind, curve, x, y, value in _rows(axes):
            writer.writerow((panel.replace("\n", " "), kind, curve, x, y, value))
    return table.getvalue()


def _rows(axes: Axes) -> Iterator[tuple[str, str, object, object, object]]:
    for number, line in enumerate(axes.get_lines()):
        curve = _name(line.get_label(), number)
        for x, y in zip(np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=True):
            yield "line", curve, x, y, ""
    if axes.get_label() == "<colorbar>":
        return
    for number, image in enumerate(axes.get_images()):
        left, right, bottom, top = image.get_extent()
        values: FloatArray = np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), np.nan)
        if values.ndim != 2:  # a picture
            continue
        n_rows, n_columns = values.shape
        upper, lower = (top, bottom) if image.origin == "upper" else (bottom, top)
        for row, column in np.ndindex(n_rows, n_columns):
            x = left + (column + 0.5) * (right - left) / n_columns
            yield "map", str(number + 1), x, upper + (row + 0.5) * (lower - upper) / n_rows, values[row, column]
    for number, found in enumerate(axes.collections):
        yield from _of_collection(found, _name(found.get_label(), number))
    for number, patch in enumerate(axes.patches):
        if isinstance(patch, Rectangle):
            yield "bar", _name(patch.get_label(), number), patch.get_x(), patch.get_y(), patch.get_height()


def _of_collection(found: Collection, curve: str) -> Iterator[tuple[str, str, object, object, object]]:
    if isinstance(found, QuadMesh):
        corners = np.asarray(found.get_coordinates())
        middles = 0.25 * (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:])
        cells: FloatArray = np.ma.filled(np.ma.asarray(found.get_array(), dtype=float), np.nan)
        if cells.shape[2:]:  # colours, not values: rows, columns, red-green-blue
            return
        for (x, y), value in zip(middles.reshape(-1, 2), cells.ravel(), strict=True):
            yield "map", curve, x, y, value
    elif isinstance(found, PathCollection):
        for x, y in np.ma.filled(np.ma.asarray(found.get_offsets(), dtype=float), np.nan):
            yield "point", curve, x, y, ""
    elif isinstance(found, PolyCollection | LineCollection):
        kind = "band" if isinstance(found, PolyCollection) else "segment"
        for path in found.get_paths():
            for x, y in np.asarray(path.vertices):
                yield kind, curve, x, y, ""


def _name(label: object, number: int) -> str:
    """Return the label of a curve, or its number if it has none."""
    text = str(label)
    return str(number + 1) if text.startswith("_") or not text else text
