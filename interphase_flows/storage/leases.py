"""Leases: whose work a folder of checkpoints is, and how work that its owner cannot go on with passes to another.

A lease is a document of the ledger with a token.  Its owner renews it, and shows the token before every write; who
waits takes it over when the owner's process is gone, or when it was not renewed for a while: then the owner may still
live (a stopped process, a node that lost the network), and finds at its next write that the token is another's.

After C. Gray and D. Cheriton, Leases (SOSP 1989); the token is what M. Kleppmann calls a fencing token (How to do
distributed locking, 2016).  No clocks are compared: the one who waits looks at its own, and at a count in the document.
"""

import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interphase_flows.exceptions import InterphaseError, LeaseLostError
from interphase_flows.runtime.fencing import fenced
from interphase_flows.storage.ledger import Ledger

__all__ = ["Lease", "leased_folder", "process_start", "this_process"]

KIND = "leases"
BETWEEN_LOOKS_S = 0.3
RENEWALS_PER_LEASE = 4
COPYING_SUFFIX = ".copying"
LOCKS = "*.lock"
"""Files in work folders that only mean something to the process that has them open."""


def this_process() -> dict[str, Any]:
    """Return what tells this process from every other one, of this machine and others."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": process_start(os.getpid()),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
    }


def process_start(pid: int) -> str | None:
    """Return when a process of this machine began, in the kernel's own count; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _is_gone(owner: Mapping[str, Any]) -> bool:
    return owner["host"] == socket.gethostname() and process_start(owner["pid"]) != owner["started"]


@dataclass
class Lease:
    """The right to write in a folder.

    Parameters
    ----------
    ledger
        Where the lease is.
    key
        Kind and key of the work.
    token
        Told in the document as long as this lease holds.
    document
        As it was taken.
    """

    ledger: Ledger
    key: str
    token: str
    document: Mapping[str, Any]
    _ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Return if this lease holds.

        Raises
        ------
        LeaseLostError
            Another process has it.
        StorageError
            The database does not say.
        """
        held = self.ledger.get(KIND, self.key)
        if held is None or held["token"] != self.token:
            by = (
                f"process {held['pid']} of {held['host']}"
                if held
                else "another process, which has finished it"
            )
            raise LeaseLostError(
                f"{self.key}: this process was thought dead, and the work was taken over by {by}; it stops here and "
                "writes nothing more"
            )

    @contextmanager
    def renewed(self, every_s: float) -> Iterator[None]:
        """Renew the lease from a thread of its own within the block."""
        thread = threading.Thread(target=self._renew, args=(every_s,), name=f"lease {self.key}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            # a renewal under way must not come after the release
            thread.join()

    def _renew(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            try:
                self.ledger.change_state(KIND, self.key, self._once_more)
            except LeaseLostError:
                return
            except InterphaseError:
                continue  # a database that is away is asked again; before a write its answer is waited for

    def _once_more(self, held: dict[str, Any] | None) -> dict[str, Any]:
        if held is None or held["token"] != self.token:
            raise LeaseLostError(self.key)
        return held | {"serial": held["serial"] + 1}

    def release(self, keep: bool) -> None:
        """Give it back.

        Parameters
        ----------
        keep
            Leave the document, which says where the checkpoints are.
        """
        # a lease that is not given back passes to the next one when this process is gone, or after a while
        with suppress(InterphaseError):
            if keep:
                self.ledger.change_state(
                    KIND, self.key, lambda held: self._once_more(held) | {"is_released": True}
                )
            else:
                self.ledger.remove_state(KIND, self.key, {"token": self.token})


class _HeldError(InterphaseError):
    """Another process has the lease."""


def take(
    ledger: Ledger, key: str, folder: str, lease_s: float, while_waiting: Callable[[], None] = lambda: None
) -> Lease:
    """Wait until a lease is free, or its owner is gone or silent, and take it.

    Parameters
    ----------
    ledger
        Where leases are.
    key
        Kind and key of the work.
    folder
        Name of its folder, if nobody has begun.
    lease_s
        An owner that does not renew its lease for so long may lose it.
    while_waiting
        Called now and then; what it raises ends the waiting.
    """
    token = secrets.token_hex(8)
    seen: tuple[str, int] | None = None
    since = time.monotonic()

    def take_over(held: dict[str, Any] | None) -> dict[str, Any]:
        nonlocal seen, since
        mine = {"token": token, "serial": 0, "is_released": False, "folder": folder, "copy_from": None}
        mine |= this_process()
        if held is None:
            return mine
        mine |= {"serial": held["serial"] + 1}
        if held["is_released"] or _is_gone(held):
            return mine | {"folder": held["folder"], "copy_from": held["copy_from"]}
        if seen != (held["token"], held["serial"]):
            seen, since = (held["token"], held["serial"]), time.monotonic()
        if time.monotonic() - since < lease_s:
            raise _HeldError(key)
        # it may live: it keeps its folder, and what it has done so far is copied
        return mine | {"folder": f"{folder}.{token}", "copy_from": held["folder"]}

    while True:
        try:
            return Lease(ledger, key, token, ledger.change_state(KIND, key, take_over))
        except _HeldError:
            while_waiting()
            time.sleep(BETWEEN_LOOKS_S)


@contextmanager
def leased_folder(
    ledger: Ledger,
    parent: Path,
    kind: str,
    key: str,
    lease_s: float,
    while_waiting: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """Give the folder of some work to this process alone, with what earlier owners left in it.

    Inside the block, `fencing.before_write` asks whether it is still this process's.

    Parameters
    ----------
    ledger
        Where leases are.
    parent
        Folder of the folders of this kind of work.
    kind, key
        Of the work.
    lease_s
        An owner that does not renew its lease for so long may lose it.
    while_waiting
        Called now and then while another process has it; what it raises ends the waiting.

    Raises
    ------
    LeaseLostError
        At a write: another process has taken the work over.
    """
    lease = take(ledger, f"{kind}:{key}", key, lease_s, while_waiting)
    folder = parent / lease.document["folder"]
    try:
        with lease.renewed(lease_s / RENEWALS_PER_LEASE), fenced(lease.check):
            if lease.document["copy_from"] is not None and not folder.exists():
                _copy(parent / lease.document["copy_from"], folder)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
    finally:
        # with the folder of a finished work the lease goes; one under another name has to be found again
        lease.release(keep=folder.exists() and folder.name != key)


def _copy(source: Path, target: Path) -> None:
    """Copy the checkpoints of an owner that may still live; whole or not at all."""
    partial = target.with_name(target.name + COPYING_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(LOCKS))
        partial.rename(target)
    # its owner may write no more; where it is at work in it, its next file has no place
    shutil.rmtree(source, ignore_errors=True)
