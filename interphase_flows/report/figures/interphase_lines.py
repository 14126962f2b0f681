"""Lines of interphase boundaries in figures against height."""

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
