"""Exclusive use of files and folders among processes, by the kernel's file locks (``flock``).

The kernel releases a lock when the process that holds it ends, however it ends. NFS (Linux 2.6.12 and later) and Lustre
mounted with ``-o flock`` support locks between hosts; with ``-o localflock`` only processes of the same host see them.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interphase_flows.exceptions import LockedError, StorageError

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def exclusive_folder(folder: Path, lock_name: str, wait: bool = True) -> Iterator[int]:
    """Lock a folder (created if missing) against other processes within the block, and yield the open lock file.

    A child process that inherits the descriptor shares the lock. The lock file stays: if it were removed, two processes
    could lock two files of one name.

    Raises
    ------
    LockedError
        Another process holds the lock, and ``wait`` is false.
    StorageError
        The file system does not support locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / lock_name
    with path.open("a") as stream:
        if not lock_within(stream.fileno(), path, float("inf") if wait else 0.0):
            raise LockedError(f"{folder}: another process works in this folder. Hint: wait for it, or end it first")
        yield stream.fileno()


def lock_within(descriptor: int, path: Path, timeout_s: float, poll_interval_s: float = 0.1) -> bool:
    """Lock an open file exclusively, waiting for other processes; return False after a timeout. Raises as `try_lock`."""
    end = time.monotonic() + timeout_s
    while not try_lock(descriptor, path):
        if time.monotonic() >= end:
            return False
        time.sleep(poll_interval_s)
    return True


def try_lock(descriptor: int, path: Path, shared: bool = False) -> bool:
    """Lock an open file, exclusively or shared; return False if another process holds it.

    Raises
    ------
    StorageError
        The file system does not support locks.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise StorageError(
                f"{path}: this file system does not support file locks ({os.strerror(error.errno)}). Hint: set `root` "
                "in the settings to a local disk"
            ) from error
        raise
    return True
