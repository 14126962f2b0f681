"""FireWorks' LaunchPad with retries while the database server restarts, and with workflow locks that expire.

FireWorks alone raises at the first lost connection, which ends the worker. If only the acknowledgement of an operation is
lost, inconsistent records remain (a reserved job without a worker, a lock without an owner), which ``recovery`` repairs.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from fireworks.core import launchpad as fireworks_launchpad
from fireworks.core.launchpad import LaunchPad, WFLock
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, InvalidOperation

from interphase_flows.storage.ledger_backend import JsonDocument

Retry = Callable[[Callable[[], Any]], Any]

IDEMPOTENT = frozenset(
    {
        "aggregate",
        "count_documents",
        "create_index",
        "delete_many",
        "delete_one",
        "distinct",
        "find_one",
        "find_one_and_delete",
        "find_one_and_replace",
        "find_one_and_update",
        "index_information",
        "replace_one",
        "update_many",
        "update_one",
    }
)
"""Operations of a collection that can be repeated without harm."""
INSERT_BATCH_SIZE = 500
"""Documents: inserting ten thousand jobs at once may take a busy server longer than the socket timeout."""
COLLECTIONS = ("fireworks", "launches", "offline_runs", "fw_id_assigner", "workflows")
HOLDS = "interphase_holds"
"""Name of the collection of paused campaigns, beside FireWorks' own."""


class RetryingCollection:
    """A MongoDB collection whose operations are retried while the server is away; ``retry`` calls them."""

    def __init__(self, collection: "Collection[Any]", retry: Retry):
        self._collection = collection
        self._retry = retry

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._collection, name)
        if name not in IDEMPOTENT:
            return attribute
        return lambda *args, **kwargs: self._retry(lambda: attribute(*args, **kwargs))

    def find(self, *args: Any, **kwargs: Any) -> list[JsonDocument]:
        """Return all matching documents as a list: a cursor does not survive a restart of the server."""
        return self._retry(lambda: list(self._collection.find(*args, **kwargs)))

    def insert_one(self, document: JsonDocument, **kwargs: Any) -> Any:
        """Insert a document, unless an earlier attempt already inserted it."""
        # pymongo sets the _id of the document at the first attempt
        return self._insert([document], lambda: self._collection.insert_one(document, **kwargs))

    def insert_many(self, documents: Any, **kwargs: Any) -> None:
        """Insert documents in batches, except those that an earlier attempt already inserted."""
        documents = list(documents)
        kwargs.setdefault("ordered", False)
        for start in range(0, len(documents), INSERT_BATCH_SIZE):
            batch = documents[start : start + INSERT_BATCH_SIZE]
            self._insert(batch, partial(self._collection.insert_many, batch, **kwargs))

    def _insert(self, documents: list[JsonDocument], insert: Callable[[], Any]) -> Any:
        n_attempts = 0

        def attempt() -> Any:
            nonlocal n_attempts
            n_attempts += 1
            try:
                return insert()
            except (DuplicateKeyError, BulkWriteError):
                mine = {"_id": {"$in": [document.get("_id") for document in documents]}}
                if n_attempts > 1 and self._collection.count_documents(mine) == len(documents):
                    return None
                raise

        return self._retry(attempt)


class RetryingLaunchPad(LaunchPad):
    """A LaunchPad whose collections retry, and whose workflow locks expire after ``lock_expiry_s``."""

    def __init__(self, retry: Retry, lock_expiry_s: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.lock_expiry_s = lock_expiry_s
        self._is_closed = False
        for name in COLLECTIONS:
            setattr(self, name, RetryingCollection(self.db[name], retry))
        self.holds = RetryingCollection(self.db[HOLDS], retry)

    def close(self) -> None:
        """Close the connection to the database."""
        self._is_closed = True
        self.connection.close()

    def ping_launch(self, launch_id: int, ptime: datetime | None = None, checkpoint: Any = None) -> None:
        """Record that a job runs; after `close` do nothing, because FireWorks' thread pings once more after the job."""
        try:
            super().ping_launch(launch_id, ptime, checkpoint)
        except InvalidOperation:
            if not self._is_closed:
                raise

    def __repr__(self) -> str:
        """The name of the database. FireWorks' own representation is the address with its password."""
        return f"{type(self).__name__}({self.name})"

    __str__ = __repr__


class ExpiringLock(WFLock):
    """Workflow lock that is acquired by force after it has been held for too long.

    FireWorks fails instead, also on a lock that the same process holds because its acquisition was not acknowledged.
    """

    def __init__(self, lp: LaunchPad, fw_id: int, **options: Any):
        if isinstance(lp, RetryingLaunchPad):
            options |= {"expire_secs": lp.lock_expiry_s, "kill": True}
        super().__init__(lp, fw_id, **options)


# LaunchPad has no option for its locks: it looks the class up in its module
fireworks_launchpad.WFLock = ExpiringLock
