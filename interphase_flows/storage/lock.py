"""One writer per campaign: a lock that dies with its process."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from interphase_flows.exceptions import LockedError, StorageError

__all__ = ["LOCK_NAME", "CampaignLock", "LockHolder", "lock_holder"]

LOCK_NAME = "campaign.lock"

# A reader holds the lock for an instant to see whether anyone else does: that must not refuse an owner.
_TRIES = 5
_BETWEEN_TRIES_S = 0.02

_held: "weakref.WeakSet[CampaignLock]" = weakref.WeakSet()


class LockHolder(NamedTuple):
    """Who holds a campaign."""

    pid: int
    host: str
    started: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started} ({self.command})"


class CampaignLock:
    """The right to write to a campaign's folder; a context manager.

    The kernel releases it when the process ends, however it ends, so a killed campaign needs no clean-up.
    Child processes do not inherit it.

    Parameters
    ----------
    root
        Folder of the campaign, made if absent.

    Notes
    -----
    By ``flock``. NFS (Linux 2.6.12 and later) and Lustre mounted with ``-o flock`` support it between hosts;
    with ``-o localflock`` a second process is noticed on the same host only. Where it is not supported at
    all, :meth:`acquire` says so instead of going on without a lock.
    """

    def __init__(self, root: str | Path):
        self.path = Path(root) / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Take the lock.

        Raises
        ------
        LockedError
            If another process holds it; says which, where, since when.
        StorageError
            If the folder cannot be written, or its file system has no locks.
        """
        if self._descriptor is not None:
            raise LockedError(f"{self.path}: this lock is already held by this object; release() it first")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be made: {error.strerror}; set `root` in the settings to a folder "
                "you may write to"
            ) from error
        try:
            if not any(
                _try_flock(descriptor, self.path, fcntl.LOCK_EX, attempt) for attempt in range(_TRIES)
            ):
                raise LockedError(
                    f"{self.path}: the campaign is held by {_read_holder(descriptor) or 'another process'}. "
                    "Wait for it to end or stop it; `interphase status` works meanwhile"
                )
            holder = LockHolder(os.getpid(), socket.gethostname(), _now(), " ".join(sys.argv)[:200])
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder._asdict()).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(self)
        return self

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        # The file stays: removing it would let two processes lock two files of one name.
        os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _forget_in_child(self) -> None:
        # Closing a forked copy does not unlock; keeping it would outlive the parent's lock.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(root: str | Path) -> LockHolder | None:
    """Who holds the campaign in ``root`` now, or None if nobody does."""
    path = Path(root) / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _try_flock(descriptor, path, fcntl.LOCK_SH) else _read_holder(descriptor)
    finally:
        os.close(descriptor)


def _try_flock(descriptor: int, path: Path, operation: int, attempt: int = 0) -> bool:
    if attempt:
        time.sleep(_BETWEEN_TRIES_S)
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}:
            raise StorageError(
                f"{path}: this file system has no file locks ({os.strerror(error.errno)}). Set `root` in the "
                "settings to a local disk, or use `store: {type: mongodb}`"
            ) from error
        raise
    return True


def _read_holder(descriptor: int) -> LockHolder | None:
    with contextlib.suppress(ValueError, TypeError):  # its owner is just writing it
        return LockHolder(**json.loads(os.pread(descriptor, 4096, 0)))
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _after_fork_in_child() -> None:
    for lock in list(_held):
        lock._forget_in_child()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
