"""Interphase boundaries and slices in figures against height, in cells that may change."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def interphases_of(arrays: Mapping[str, NDArray[np.floating]], part: str) -> list[tuple[str, NDArray[np.floating]]]:
    """Return name and boundaries, (n, 2), Å, of each interphase that a part of the analysis follows."""
    start, end = f"{part}.interphase_", "_angstrom"
    return [
        (name.removeprefix(start).removesuffix(end), arrays[name]) for name in sorted(arrays) if name.startswith(start)
    ]


def dashes_of(side: str) -> str:
    """Return the line style of the boundaries of a side."""
    return "--" if side == "above" else ":"


def heights_against_time(edges: NDArray[np.floating], periods: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the edges of slices at the edges of consecutive times, (n_edges, n_times + 1), for `pcolormesh`.

    `edges` divide the cell of the first frame; `periods` are the heights of the cell at the times, (n_times,).
    """
    between = np.concatenate([periods[:1], 0.5 * (periods[1:] + periods[:-1]), periods[-1:]])
    return np.asarray(edges[:, None] * (between / edges[-1]))
