"""Which indexes a database keeps: those of the questions that are documented, as data.

In an index, fields that a filter fixes come before the field that the answers are sorted by: MongoDB then reads what
matches, and nothing else, in the order asked for. The embedded store needs none of these: it loads its file to answer
at all.
"""

from collections.abc import Sequence

from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

__all__ = ["INDEXES", "JOB_INDEXES", "NOT_ALLOWED", "collection_of", "indexes_of", "make_indexes"]

Fields = tuple[str, ...]

NOT_ALLOWED = (13, 18, 8000)
"""Codes of a server that refuses a user: Unauthorized, AuthenticationFailed, and Atlas's own for both."""

_OF_EVERY_KIND: tuple[Fields, ...] = (("created_at",), ("campaign", "created_at"))

INDEXES: dict[str, tuple[Fields, ...]] = {
    "structure_sets": (*_OF_EVERY_KIND, ("name", "created_at")),
    "labels": (
        *_OF_EVERY_KIND,
        ("status", "created_at"),
        ("reason", "created_at"),
        ("origin", "created_at"),
        ("formula", "energy_eV"),
        ("energy_eV",),
        ("method_name", "status", "created_at"),
        ("method_key", "status", "created_at"),
        ("structure_key",),
    ),
    "datasets": _OF_EVERY_KIND,
    "models": (*_OF_EVERY_KIND, ("dataset_key", "member")),
    "committees": (*_OF_EVERY_KIND, ("dataset_key",)),
    "segments": (
        *_OF_EVERY_KIND,
        ("run_id", "first_step"),
        ("role", "created_at"),
        ("stop_reason", "created_at"),
        ("committee_key", "role", "first_step"),
    ),
    "iterations": (*_OF_EVERY_KIND, ("index",), ("decision", "created_at")),
    "analyses": (*_OF_EVERY_KIND, ("name", "created_at")),
    "failures": (
        *_OF_EVERY_KIND,
        ("last_at",),
        ("campaign", "last_at"),
        ("reason", "last_at"),
        ("failed_kind", "reason", "last_at"),
    ),
    "campaigns": (*_OF_EVERY_KIND, ("status", "created_at")),
    # states that are asked for by their key alone
    "progress": (),
    "leases": (),
}
"""Of the ledger, by kind; besides the unique one on ``key``."""

JOB_INDEXES: dict[str, tuple[Fields, ...]] = {
    # jobflow asks for the newest index of a uuid whenever a job takes an input from another
    "interphase_jobs": (("uuid", "index"),),
    "interphase_job_data": (("blob_uuid",), ("job_uuid", "job_index")),
}
"""Of jobflow's store of outputs, by collection."""


def collection_of(kind: str) -> str:
    """The collection in MongoDB of a kind of document."""
    return f"interphase_{kind}"


def indexes_of(collection_name: str) -> tuple[Fields, ...]:
    """The indexes of a collection; none if it is not one of this package."""
    by_collection = {collection_of(kind): fields for kind, fields in INDEXES.items()} | JOB_INDEXES
    return by_collection.get(collection_name, ())


def make_indexes(collection: Collection, wanted: Sequence[Fields]) -> int:
    """Make those indexes that are not there, whatever their names; returns how many were made.

    A user who may not make any goes without: answers then take longer.

    Raises
    ------
    pymongo.errors.PyMongoError
        If the server does not do it for another reason.
    """
    there = {tuple(index["key"]) for index in collection.index_information().values()}
    models = [
        IndexModel([(field, 1) for field in fields])
        for fields in wanted
        if tuple((field, 1) for field in fields) not in there
    ]
    if not models:
        return 0
    try:
        collection.create_indexes(models)
    except OperationFailure as error:
        if error.code in NOT_ALLOWED:
            return 0
        raise
    return len(models)
