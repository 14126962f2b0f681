"""Where interphases lie, in figures against height: one kind of line for each side."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def interphases_of(
    arrays: Mapping[str, NDArray[np.floating]], part: str
) -> list[tuple[str, NDArray[np.floating]]]:
    """Return the sides that a part of a survey knows, and where each interphase begins and ends, (n, 2), Å."""
    start, end = f"{part}.interphase_", "_angstrom"
    return [
        (name.removeprefix(start).removesuffix(end), arrays[name])
        for name in sorted(arrays)
        if name.startswith(start)
    ]


def dashes_of(side: str) -> str:
    """Return the dashes of a side's boundaries."""
    return "--" if side == "above" else ":"
