"""Files in a label's folder, each written whole or not at all; one process at a time writes there.

Errors of the disk pass as they are: a full disk is a reason of its own for a label to fail.
"""

import json
from pathlib import Path
from typing import Any

from interphase_flows.runtime import atomic_files
from interphase_flows.runtime.fencing import before_write

PARTIAL_PREFIX = ".partial-"


def partial_path(target: Path) -> Path:
    """Return where a file is written before it gets its name; one process at a time writes to a folder."""
    return target.with_name(f"{PARTIAL_PREFIX}{target.name}")


def commit(target: Path) -> None:
    """Flush the partial file to the disk and give it its name.

    Raises
    ------
    LeaseLostError
        Another process has taken this work over.
    """
    before_write()
    atomic_files.commit(partial_path(target), target)


def write_json(target: Path, value: Any) -> None:
    """Write JSON.

    Raises
    ------
    ValueError
        A number is not finite.
    OSError
        The disk is full or broken; the file is as it was.
    """
    text = json.dumps(value, indent=1, allow_nan=False)
    try:
        partial_path(target).write_text(text + "\n")
        commit(target)
    finally:
        partial_path(target).unlink(missing_ok=True)
