"""Leases with fencing tokens: exclusive ownership of work folders, with takeover from dead processes.

A lease is a document of the ledger with a token. Its owner renews it, and compares the token before every write. A
waiting process takes the lease over when the owner's process is dead, or when the lease has not been renewed for a
while. In the second case the owner may still be running (a stopped process, a node without network). At its next write it
finds the token of the new owner and stops.

After C. Gray and D. Cheriton, Leases (SOSP 1989); the token is what M. Kleppmann calls a fencing token (How to do
distributed locking, 2016). Clocks of different machines are never compared: a waiting process uses its own clock and a
counter in the document.
"""

import os
import re
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from interphase_flows.exceptions import InterphaseError, LeaseLostError, StorageError
from interphase_flows.runtime.fencing import fenced
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_backend import JsonDocument

KIND = "leases"
POLL_INTERVAL_S = 0.3
RENEWALS_PER_LEASE = 4
COPYING_SUFFIX = ".copying"
LOCKS = "*.lock"
"""Files in work folders that are meaningful only to the process that has them open."""


class ProcessIdentity(TypedDict):
    """Identity of a process among all processes of all machines."""

    host: str
    pid: int
    started: str | None
    slurm_job_id: str | None


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": process_start(os.getpid()),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
    }


def process_start(pid: object) -> str | None:
    """Return the start time of a process of this machine in kernel ticks; None if it is not running.

    ``pid`` may be any value of a document; what is not the number of a process is not running.
    """
    if type(pid) is not int or pid < 1:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def is_alive(process: Mapping[str, Any]) -> bool | None:
    """Return whether a recorded process still runs on this machine; None if this machine cannot know.

    The number of a process is given to another one after its end, so the start time is compared as well.
    """
    if process.get("host") != socket.gethostname() or not isinstance(process.get("started"), str):
        return None
    return process_start(process.get("pid")) == process["started"]


@dataclass
class Lease:
    """The right to write in a work folder, valid as long as the document of ``key`` has ``token``."""

    ledger: Ledger
    key: str
    token: str
    document: JsonDocument
    _released: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Return if this lease is valid.

        Raises
        ------
        LeaseLostError
            Another process has taken it over.
        StorageError
            The database does not respond.
        """
        current = self.ledger.get(KIND, self.key)
        if current is None or current.get("token") != self.token:
            owner = (
                f"process {current.get('pid')} of {current.get('host')}"
                if current
                else "another process, which has finished it"
            )
            raise LeaseLostError(
                f"{self.key}: this process was presumed dead, and the work was taken over by {owner}; it stops here and "
                "writes nothing more"
            )

    @contextmanager
    def renewed(self, interval_s: float) -> Iterator[None]:
        """Renew the lease in a separate thread within the block."""
        thread = threading.Thread(target=self._renew, args=(interval_s,), name=f"lease {self.key}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._released.set()
            # a renewal in progress must not follow the release
            thread.join()

    def _renew(self, interval_s: float) -> None:
        while not self._released.wait(interval_s):
            try:
                self.ledger.change_state(KIND, self.key, self._with_next_serial)
            except LeaseLostError:
                return
            except InterphaseError:
                continue  # a missed renewal is harmless: check() waits for the database before every write

    def _with_next_serial(self, current: JsonDocument | None) -> JsonDocument:
        if current is None or current.get("token") != self.token or not _is_complete(current):
            raise LeaseLostError(self.key)
        return current | {"serial": current["serial"] + 1}

    def release(self, keep: bool) -> None:
        """Release the lease; ``keep`` keeps the document, which names the folder of the checkpoints."""
        # if this fails, the lease is taken over when this process is dead or the lease expires
        with suppress(InterphaseError):
            if keep:
                self.ledger.change_state(
                    KIND, self.key, lambda current: self._with_next_serial(current) | {"is_released": True}
                )
            else:
                self.ledger.remove_state(KIND, self.key, {"token": self.token})


def remove_dead_leases(ledger: Ledger, work: Path) -> None:
    """Remove the leases of a campaign whose process is dead, except those that name the folder of checkpoints.

    `acquire` would take them over, but a process that was killed between the record of a result and the release of its
    lease leaves one that no process acquires again.
    """
    for lease in ledger.find(KIND, {"campaign": ledger.campaign}):
        kind, _, key = lease["key"].partition(":")
        try:
            folders = [_folder_in(work / kind, key, lease.get(name)) for name in ("folder", "copy_from")]
        except StorageError:
            continue  # `leased_folder` reports it
        has_checkpoints = any(folder is not None and folder.name != key and folder.exists() for folder in folders)
        if is_alive(lease) is False and not has_checkpoints:
            ledger.remove_state(KIND, lease["key"], {"token": lease.get("token")})


class _LeaseHeldError(InterphaseError):
    """Another process holds the lease."""


def acquire(
    ledger: Ledger, key: str, folder: str, lease_s: float, while_waiting: Callable[[], None] = lambda: None
) -> Lease:
    """Wait until a lease is free, or its owner is dead or unresponsive, and acquire it.

    Parameters
    ----------
    folder
        Name of the work folder, if the work has not begun.
    lease_s
        An owner that does not renew its lease for this time may lose it.
    while_waiting
        Called at every poll; an exception ends the wait.
    """
    token = secrets.token_hex(8)
    last: tuple[str, int] | None = None
    since = time.monotonic()

    def take_over(current: JsonDocument | None) -> JsonDocument:
        nonlocal last, since
        mine: JsonDocument = {"token": token, "serial": 0, "is_released": False, "folder": folder}
        mine |= {"copy_from": None, **this_process()}
        if current is None:
            return mine
        if not _is_complete(current):  # a process with this folder loses the lease: its checkpoints are copied
            return mine | {"folder": f"{folder}.{token}", "copy_from": folder}
        mine |= {"serial": current["serial"] + 1}
        if current["is_released"] or is_alive(current) is False:
            return mine | {"folder": current["folder"], "copy_from": current["copy_from"]}
        if last != (current["token"], current["serial"]):
            last, since = (current["token"], current["serial"]), time.monotonic()
        if time.monotonic() - since < lease_s:
            raise _LeaseHeldError(key)
        # the owner may be alive: it keeps its folder, and its checkpoints are copied
        return mine | {"folder": f"{folder}.{token}", "copy_from": current["folder"]}

    while True:
        try:
            return Lease(ledger, key, token, ledger.change_state(KIND, key, take_over))
        except _LeaseHeldError:
            while_waiting()
            time.sleep(POLL_INTERVAL_S)


def _is_complete(lease: JsonDocument) -> bool:
    """Return whether the document of a lease has its fields, as damaged ones do not."""
    has_fields = {"folder", "copy_from", "is_released"} <= lease.keys()
    return has_fields and isinstance(lease.get("token"), str) and type(lease.get("serial")) is int


@contextmanager
def leased_folder(
    ledger: Ledger,
    parent: Path,
    kind: str,
    key: str,
    lease_s: float,
    while_waiting: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """Lease a work folder in ``parent`` with the checkpoints of earlier owners; for the parameters see `acquire`.

    Inside the block, `fencing.before_write` checks the lease.

    Raises
    ------
    LeaseLostError
        At a write: another process has taken over the work.
    """
    lease = acquire(ledger, f"{kind}:{key}", key, lease_s, while_waiting)
    try:
        folder, copied = (_folder_in(parent, key, lease.document[name]) for name in ("folder", "copy_from"))
        assert folder is not None
    except StorageError:
        lease.release(keep=False)
        raise
    try:
        with lease.renewed(lease_s / RENEWALS_PER_LEASE), fenced(lease.check):
            if copied is not None and not folder.exists():
                _copy(copied, folder)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
    finally:
        # the lease of finished work is removed; a folder of another name must be found by the next owner
        lease.release(keep=folder.exists() and folder.name != key)


def _folder_in(parent: Path, key: str, name: object) -> Path | None:
    """Return the work folder that a lease names: that of its key, with the token of an owner, or None.

    Folders are copied and removed, so no other name in a document is accepted.
    """
    if name is None:
        return None
    if not isinstance(name, str) or not re.fullmatch(rf"{re.escape(key)}(\.[0-9a-f]{{16}})?", name):
        raise StorageError(
            f"lease of {key}: the document names the folder {str(name)[:100]!r}, which is not of this work; the "
            "lease is removed. Hint: find out who writes to the database, then resume"
        )
    return parent / name


def _copy(source: Path, target: Path) -> None:
    """Copy the checkpoints of an owner that may be alive, atomically, and remove its folder."""
    partial = target.with_name(target.name + COPYING_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(LOCKS))
        partial.rename(target)
    # the owner may not write any more; if it is still running, its next file has no folder
    shutil.rmtree(source, ignore_errors=True)
