"""Results of the other campaigns under a root, for the embedded store.

A campaign has its own ledger and artifacts with everything that it uses, so its folder can be moved, archived or removed
alone. A result that another campaign has is copied instead of computed; its artifacts are hard links where the file
system has them. While one campaign computes a result, the others wait for it: see `one_at_a_time`.

Campaigns of a database share one ledger, and need no copies.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from interphase_flows.exceptions import StorageError
from interphase_flows.runtime.file_locks import try_lock
from interphase_flows.runtime.progress import emit
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument

LEDGER_NAME = "ledger.sqlite"
LOCKS: Final = ".locks"
"""Folder below the root; the name of a campaign does not start with a dot."""
SHARED_OTHERWISE: Final = ("compiled_potentials",)
"""Kinds whose successful results alone are shared, see `storage.shared_graphs`."""
POLL_INTERVAL_S = 0.3


class OtherCampaigns:
    """Ledgers and artifacts of all campaigns under a root but one, read-only.

    A ledger that cannot be read is reported and left out.
    """

    def __init__(self, root: Path, campaign: str, artifacts_url: str | None = None) -> None:
        self._root = root
        self._campaign = campaign
        self._artifacts_url = artifacts_url
        self._ledgers: dict[str, Ledger] = {}
        self._unreadable: set[str] = set()

    def documents(self, kind: str, key: str) -> Iterator[tuple[JsonDocument, ArtifactStore]]:
        """Yield the documents of a key, each with the artifacts of its campaign."""
        if kind in SHARED_OTHERWISE:
            return
        for name in self._names():
            for document in self._find(name, kind, {"key": key}):
                folder = self._root / name
                yield document, ArtifactStore(self._artifacts_url or folder / "artifacts", folder / "cache")

    def find(self, kind: str, criteria: Criteria, fields: Sequence[str] | None = None) -> list[JsonDocument]:
        """Return the matching documents of all campaigns."""
        return [found for name in self._names() for found in self._find(name, kind, criteria, fields)]

    def close(self) -> None:
        """Close the ledgers; the next use opens them again."""
        for ledger in self._ledgers.values():
            ledger.close()

    def _names(self) -> list[str]:
        names = {path.parent.name for path in self._root.glob(f"*/{LEDGER_NAME}")}
        return sorted(names - {self._campaign} - self._unreadable)

    def _find(
        self, name: str, kind: str, criteria: Criteria, fields: Sequence[str] | None = None
    ) -> list[JsonDocument]:
        path = self._root / name / LEDGER_NAME
        ledger = self._ledgers.setdefault(name, Ledger.embedded(path, name, read_only=True))
        try:
            return ledger.find(kind, criteria, fields)
        except StorageError as error:
            self._unreadable.add(name)
            emit("repair", 0, 1, f"{error}. Results of campaign {name} are not reused")
            return []


@contextmanager
def one_at_a_time(root: Path, kind: str, key: str, while_waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one campaign of a root at a time work on a result; the kernel ends the turn of a killed process.

    ``while_waiting`` is called at every poll; an exception ends the wait. The work of a result needs other results,
    never itself, so that campaigns do not wait for each other in a circle.
    """
    path = root / LOCKS / f"{kind}-{key}"
    path.parent.mkdir(parents=True, exist_ok=True)
    is_waiting = False
    while True:
        with path.open("a") as stream:
            # the owner removes the file at the end: a process that opened it before locks a file without a name
            if try_lock(stream.fileno(), path):
                if _is_at(path, stream.fileno()):
                    try:
                        yield
                    finally:
                        path.unlink(missing_ok=True)
                    return
                continue
        if not is_waiting:
            emit("waiting", 0, 1, f"another campaign in {root} computes one of the {kind} of this campaign")
            is_waiting = True
        while_waiting()
        time.sleep(POLL_INTERVAL_S)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
