"""Atomic, durable writes of files.

A file is written beside its target, flushed to the disk, renamed over the target, and the rename is flushed too. A
process killed at any moment leaves the old file or the new one, and at most a leftover whose name starts with
:data:`LEFTOVER_PREFIX`, which :func:`sweep_leftovers` removes.
"""

import contextlib
import errno
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interphase_flows.exceptions import DiskFullError, StorageError

# A prefix and not a suffix: writers that guess a format from the extension (numpy, ASE, torch) still see it.
LEFTOVER_PREFIX = ".interphase-tmp-"

_REASONS_AND_HINTS = {
    errno.ENOSPC: "the disk is full. Hint: free some space, or set `root` to another disk, then resume",
    errno.EDQUOT: "the quota is used up. Hint: free some space, or set `root` to another disk, then resume",
    errno.EACCES: "permission denied. Hint: make the folder writable, or set `root` in the settings to one that is",
    errno.EROFS: "the file system is read-only. Hint: set `root` in the settings to a writable folder",
    errno.EIO: "the disk reports an input/output error. Hint: check the disk, then resume",
    errno.EPERM: "the operation is not permitted. Hint: choose another folder, or remove the protection of the file",
    errno.ENOTDIR: "a file is where a folder is expected. Hint: choose another name",
    errno.EEXIST: "a file is where a folder is expected. Hint: choose another name",
    errno.EISDIR: "it is a folder. Hint: choose another name, or move the folder",
    errno.ELOOP: "its symbolic links form a loop. Hint: choose another name",
    errno.ENAMETOOLONG: "its name is too long. Hint: choose a shorter name",
}


def explain_os_error(error: OSError, path: Path) -> StorageError | None:
    """Translate an error of the disk; return None for other errors."""
    if error.errno not in _REASONS_AND_HINTS:
        return None
    kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
    return kind(f"{path}: not written: {_REASONS_AND_HINTS[error.errno]}")


def describe_os_error(error: OSError) -> str:
    """Return a message for the user: file, reason and hint."""
    path = error.filename if isinstance(error.filename, str | bytes) else None
    where = "" if path is None else f"{os.fsdecode(path)}: "
    known = _REASONS_AND_HINTS.get(error.errno or 0)
    return where + (
        known or f"{error.strerror or error}. Hint: check the file and its permissions, then repeat the command"
    )


def link_error(path: Path) -> StorageError:
    """Return the error for a symbolic link in place of a file that is written without a rename."""
    return StorageError(
        f"{path}: not written: it is a symbolic link, which may have come with the folder, and its target would be "
        "changed. Hint: remove the link"
    )


def temporary_beside(target: Path) -> Path:
    """Return a new path in the folder of ``target`` (created if missing), for :func:`commit` to rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{LEFTOVER_PREFIX}{secrets.token_hex(6)}-{target.name}")


def commit(temporary: Path, target: Path) -> None:
    """Flush ``temporary`` to the disk, rename it to ``target``, and flush the folder."""
    with temporary.open("rb+") as handle:
        os.fsync(handle.fileno())
    os.replace(temporary, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_replaceable(target: Path) -> None:
    """Check that a path is a regular file, or does not exist: a rename would replace a device.

    Raises
    ------
    StorageError
        It is a folder, a device, a socket or a pipe.
    """
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "a device or pipe"
        raise StorageError(f"{target}: not written: it is {kind}. Hint: give the name of a file")


def _keep_mode(temporary: Path, target: Path) -> None:
    """Give a new file the permissions of the file that it replaces; a first one has those of the umask."""
    with contextlib.suppress(FileNotFoundError):
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path of the same folder and extension that is renamed to ``path`` unless the block raises.

    The folder is created if missing; an existing file is replaced.

    Raises
    ------
    StorageError
        The disk is full, read-only or broken; ``path`` is unchanged.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        temporary = temporary_beside(target)
        check_replaceable(target)
        yield temporary
        _keep_mode(temporary, target)
        commit(temporary, target)
    except OSError as error:
        explained = explain_os_error(error, target)
        if explained is None:
            raise
        raise explained from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # missing after the rename, or never written
                temporary.unlink()


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Write bytes atomically; raises as :func:`atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder, or to the one in which it would be created, before long work.

    Raises
    ------
    StorageError
        The disk is full, read-only or broken, or there is no permission.
    """
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        probe = temporary_beside(existing / "probe")
        try:
            probe.write_bytes(b"probe")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) or error from error


def write_bytes_once(path: str | Path, data: bytes) -> None:
    """Write bytes atomically unless the file exists; of concurrent processes, one writes and all return afterwards.

    Raises as :func:`atomic_path`.
    """
    target = Path(path)
    temporary = temporary_beside(target)
    try:
        write_bytes_atomic(temporary, data)
        os.link(temporary, target)
    except FileExistsError:
        pass
    except OSError as error:
        raise explain_os_error(error, target) or error from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json_atomic(path: str | Path, value: object) -> None:
    """Write ``value`` as JSON atomically.

    Raises
    ------
    StorageError
        ``value`` is not valid JSON (NaN is not), or the disk is full, read-only or broken.
    """
    try:
        text = json.dumps(value, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StorageError(
            f"{path}: not writable as JSON: {error}. Hint: replace NaN by null, arrays by lists"
        ) from error
    write_bytes_atomic(path, text.encode() + b"\n")


def sweep_leftovers(folder: str | Path, min_age_s: float = 0.0) -> list[Path]:
    """Remove temporary files that killed writers left in ``folder`` and below, and return them.

    Files younger than ``min_age_s`` stay: without a lock, another process may be writing them.
    """
    removed = []
    newest = time.time() - min_age_s
    for leftover in sorted(Path(folder).rglob(f"{LEFTOVER_PREFIX}*")):
        if leftover.is_file() and leftover.stat().st_mtime <= newest:
            leftover.unlink(missing_ok=True)
            removed.append(leftover)
    return removed
