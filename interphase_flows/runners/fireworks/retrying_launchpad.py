"""FireWorks' LaunchPad on a server that restarts: its operations are repeated while the connection comes and goes.

FireWorks itself gives up at the first lost connection, and the worker with it.  What an answer that was lost on the
way leaves behind (a job taken by nobody, a lock without an owner) is found by `recovery`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from fireworks.core import launchpad as of_fireworks
from fireworks.core.launchpad import LaunchPad, WFLock
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from interphase_flows.runners.fireworks.launchpad import LOCK_EXPIRES_AFTER_S
from interphase_flows.runners.fireworks.pause import HOLDS

Wait = Callable[[Callable[[], Any]], Any]

REPEATED = frozenset(
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
"""Operations of a collection of which a repetition does no harm."""
INSERTED_AT_ONCE = 500
"""Documents: ten thousand jobs at once may take a busy server longer than an answer is waited for."""
COLLECTIONS = ("fireworks", "launches", "offline_runs", "fw_id_assigner", "workflows", HOLDS)


class ExpiringLock(WFLock):
    """FireWorks' lock of a workflow; by default FireWorks gives up on one that is left over, and the job with it."""

    def __init__(self, lp: LaunchPad, fw_id: int):
        super().__init__(lp, fw_id, expire_secs=LOCK_EXPIRES_AFTER_S, kill=True)


# the constants of FireWorks' configuration are taken over when it is imported, and bound as defaults
of_fireworks.WFLock = ExpiringLock


class PatientCollection:
    """A collection whose operations wait for the server; everything else is the collection's.

    Parameters
    ----------
    collection
        pymongo's.
    wait
        Does an operation, again while the server restarts.
    """

    def __init__(self, collection: "Collection[Any]", wait: Wait):
        self._collection = collection
        self._wait = wait

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._collection, name)
        if name not in REPEATED:
            return attribute
        return lambda *args, **kwargs: self._wait(lambda: attribute(*args, **kwargs))

    def find(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the documents that match, read whole: a cursor does not survive its server."""
        return self._wait(lambda: list(self._collection.find(*args, **kwargs)))

    def insert_one(self, document: dict[str, Any], **kwargs: Any) -> Any:
        """Insert a document; one that an earlier try had left there is not inserted again."""
        # pymongo gives the document its identity at the first try
        return self._insert([document], lambda: self._collection.insert_one(document, **kwargs))

    def insert_many(self, documents: Any, **kwargs: Any) -> None:
        """Insert documents; those that an earlier try had left there are not inserted again."""
        kept = list(documents)
        kwargs.setdefault("ordered", False)
        for start in range(0, len(kept), INSERTED_AT_ONCE):
            part = kept[start : start + INSERTED_AT_ONCE]
            self._insert(part, partial(self._collection.insert_many, part, **kwargs))

    def _insert(self, documents: list[dict[str, Any]], insert: Callable[[], Any]) -> Any:
        n_tries = 0

        def again() -> Any:
            nonlocal n_tries
            n_tries += 1
            try:
                return insert()
            except (DuplicateKeyError, BulkWriteError):
                mine = {"_id": {"$in": [document.get("_id") for document in documents]}}
                if n_tries > 1 and self._collection.count_documents(mine) == len(documents):
                    return None
                raise

        return self._wait(again)


class PatientLaunchPad(LaunchPad):
    """A LaunchPad of patient collections.

    Parameters
    ----------
    wait
        Does an operation, again while the server restarts.
    kwargs
        FireWorks' own.
    """

    def __init__(self, wait: Wait, **kwargs: Any):
        super().__init__(**kwargs)
        for name in COLLECTIONS:
            setattr(self, name, PatientCollection(self.db[name], wait))

    def __repr__(self) -> str:
        """The name of the database; FireWorks' own would be the address with its password."""
        return f"{type(self).__name__}({self.name})"

    __str__ = __repr__
