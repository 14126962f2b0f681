"""Work folder of a label: its lock, and files written atomically by one process at a time."""

import errno
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.runtime import atomic_files
from interphase_flows.runtime.fencing import before_write
from interphase_flows.runtime.file_locks import exclusive_folder

PARTIAL_PREFIX = ".partial-"
LOCK = "label.lock"
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def label_folder(folder: Path, kept_files: Callable[[Path], Sequence[Path]]) -> Iterator[int]:
    """Create a label's folder and hold its lock; a second process waits until the first has finished.

    Yields the file descriptor of the lock, for a subprocess to inherit. A full disk is a ReferenceMethodError
    (``disk_full``) with the inputs and logs in the folder that ``kept_files`` returns.
    """
    try:
        with exclusive_folder(folder, LOCK) as lock:
            for leftover in folder.glob(f"{PARTIAL_PREFIX}*"):
                leftover.unlink()
            yield lock
    except OSError as error:
        if error.errno not in DISK_FULL_ERRORS:
            raise
        raise ReferenceMethodError(disk_full_message(folder), "disk_full", kept_files(folder)) from error


def disk_full_message(folder: Path) -> str:
    """Return the explanation of a label that failed on a full disk."""
    return f"{folder}: the disk is full. Hint: free some space"


def partial_path(target: Path) -> Path:
    """Return the temporary path of a file, which `commit` renames."""
    return target.with_name(f"{PARTIAL_PREFIX}{target.name}")


def commit(target: Path) -> None:
    """Flush the temporary file of a target to the disk and rename it, unless another process has taken this work over."""
    before_write()
    atomic_files.commit(partial_path(target), target)


def write_json(target: Path, value: Any) -> None:
    """Write JSON atomically; a number that is not finite is a ValueError."""
    text = json.dumps(value, indent=1, allow_nan=False)
    try:
        partial_path(target).write_text(text + "\n")
        commit(target)
    finally:
        partial_path(target).unlink(missing_ok=True)


def log_tail(path: Path, n_characters: int = 1500) -> str:
    """Return the end of a log, or a note that there is no output."""
    try:
        return path.read_text(errors="replace")[-n_characters:].strip() or "no output"
    except OSError:
        return "no output"
