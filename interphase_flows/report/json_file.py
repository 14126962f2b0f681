"""Results as JSON files."""

from pathlib import Path

import numpy as np
from pydantic_core import to_json

from interphase_flows.runtime.atomic_files import write_bytes_atomic


def write_json(path: Path, content: object, indent: int | None = None) -> None:
    """Write results, arrays and containers of them, with null for numbers that are not finite.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    write_bytes_atomic(path, to_json(content, indent=indent, inf_nan_mode="null", fallback=np.ndarray.tolist))
