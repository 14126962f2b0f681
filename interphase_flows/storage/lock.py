"""Lock of a campaign's folder: one process writes to it, and others can read which one."""

import contextlib
import json
import os
import socket
import sys
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from interphase_flows.exceptions import LockedError, StorageError
from interphase_flows.runtime.atomic_files import explain_os_error, link_error
from interphase_flows.runtime.file_locks import lock_within, try_lock

LOCK_NAME = "campaign.lock"

# A reader holds the lock for an instant to test it, which must not make an owner fail.
_TIMEOUT_S = 0.1
_POLL_INTERVAL_S = 0.02

_held: "weakref.WeakSet[CampaignLock]" = weakref.WeakSet()


class LockHolder(NamedTuple):
    """The process that holds a campaign."""

    pid: int
    host: str
    started: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started} ({self.command})"


class CampaignLock:
    """Exclusive right to write to a campaign's folder; a context manager.

    The kernel releases it when the process ends, however it ends, so a killed campaign needs no clean-up. Child
    processes do not inherit it.
    """

    def __init__(self, root: str | Path):
        self.path = Path(root) / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Take the lock.

        Raises
        ------
        LockedError
            Another process holds it; the message names process, host and start time.
        StorageError
            The folder cannot be written, its disk is full, its file system does not support locks, or the lock file is
            a symbolic link.
        """
        if self._descriptor is not None:
            raise LockedError(f"{self.path}: this object already holds the lock; release() it first")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            if self.path.is_symlink():
                raise link_error(self.path) from error
            raise StorageError(
                f"{self.path}: cannot be created: {error.strerror}. Hint: set `root` in the settings to a folder with "
                "write permission"
            ) from error
        try:
            if not lock_within(descriptor, self.path, _TIMEOUT_S, _POLL_INTERVAL_S):
                raise LockedError(
                    f"{self.path}: the campaign is held by {_read_holder(descriptor) or 'another process'}. Hint: wait "
                    "for it to end, or stop it; `interphase status` works meanwhile"
                )
            holder = LockHolder(os.getpid(), socket.gethostname(), _now(), " ".join(sys.argv)[:200])
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder._asdict()).encode(), 0)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError) and (explained := explain_os_error(error, self.path)) is not None:
                raise explained from error
            raise
        self._descriptor = descriptor
        _held.add(self)
        return self

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        # The file stays: if it were removed, two processes could lock two files of one name.
        os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _close_in_child(self) -> None:
        # Closing a forked copy does not unlock; an open copy would outlive the parent's lock.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(root: str | Path) -> LockHolder | None:
    """Return the process that holds the campaign in ``root``, or None."""
    path = Path(root) / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read: {error.strerror}. Hint: ask its owner for permission; it names the process that "
            "holds the campaign"
        ) from error
    try:
        return None if try_lock(descriptor, path, shared=True) else _read_holder(descriptor)
    finally:
        os.close(descriptor)


def _read_holder(descriptor: int) -> LockHolder | None:
    with contextlib.suppress(ValueError, TypeError):  # the owner is writing it
        return LockHolder(**json.loads(os.pread(descriptor, 4096, 0)))
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _after_fork_in_child() -> None:
    for lock in list(_held):
        lock._close_in_child()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
