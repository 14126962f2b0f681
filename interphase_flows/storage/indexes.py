"""Indexes of the database, one for each documented query.

In an index, fields that a filter fixes come before the field that results are sorted by: MongoDB then reads the
matching documents, and no others, in the requested order. The SQLite backend needs none but its index on ``key``.
"""

from collections.abc import Sequence

from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from interphase_flows.analysis.pipeline.registered_parts import part_classes
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.ledger_entry import KINDS
from interphase_flows.storage.mongodb import NOT_AUTHORIZED

Fields = tuple[str, ...]

_OF_EVERY_KIND: tuple[Fields, ...] = (("created_at",), ("campaign", "created_at"), ("used_by", "created_at"))

_OF_SOME_KINDS: dict[str, tuple[Fields, ...]] = {
    "structure_sets": (("name", "created_at"),),
    "labels": (
        ("status", "created_at"),
        ("reason", "created_at"),
        ("origin", "created_at"),
        ("formula", "energy_eV"),
        ("energy_eV",),
        ("method_name", "status", "created_at"),
        ("method_key", "status", "created_at"),
        ("structure_key",),
    ),
    "models": (("dataset_key", "member"),),
    "committees": (("dataset_key",),),
    "segments": (
        ("run_id", "first_step"),
        ("role", "created_at"),
        ("stop_reason", "created_at"),
        ("committee_key", "role", "first_step"),
    ),
    "iterations": (("index",), ("decision", "created_at")),
    "relaxed_phases": (("phase", "created_at"),),
    **dict.fromkeys(part_classes(), (("analysis_key",),)),
    "phases": (("analysis_key",), ("average.phases.li2s.atom_fraction.value",)),
    "cell_transport": (("result.cell", "result.temperature_K"),),
    "failures": (
        ("last_at",),
        ("campaign", "last_at"),
        ("used_by", "last_at"),
        ("reason", "last_at"),
        ("failed_kind", "reason", "last_at"),
    ),
    "campaigns": (("status", "created_at"),),
}
INDEXES: dict[str, tuple[Fields, ...]] = {
    **{kind: (*_OF_EVERY_KIND, *_OF_SOME_KINDS.get(kind, ())) for kind in KINDS},
    # states, queried by their key alone
    "progress": (),
    "leases": (),
}
"""Indexes of the ledger by kind, besides the unique one on ``key``."""

JOB_INDEXES: dict[str, tuple[Fields, ...]] = {
    # jobflow queries the newest index of a uuid to resolve a reference to the output of a job
    "interphase_jobs": (("uuid", "index"),),
    "interphase_job_data": (("blob_uuid",), ("job_uuid", "job_index")),
}
"""Indexes of jobflow's store of outputs, by collection."""


def collection_of(kind: str) -> str:
    """Return the MongoDB collection of a kind of document."""
    return f"interphase_{kind}"


def indexes_of(collection_name: str) -> tuple[Fields, ...]:
    """Return the indexes of a collection; none if it does not belong to this package."""
    by_collection = {collection_of(kind): fields for kind, fields in INDEXES.items()} | JOB_INDEXES
    return by_collection.get(collection_name, ())


def make_indexes(collection: Collection[JsonDocument], wanted: Sequence[Fields]) -> int:
    """Create missing indexes, regardless of the names of existing ones; return how many were created.

    A user without the right to create indexes goes without: queries then take longer.

    Raises
    ------
    pymongo.errors.PyMongoError
        The server fails for another reason.
    """
    existing = {tuple(index["key"]) for index in collection.index_information().values()}
    models = [
        IndexModel([(field, 1) for field in fields])
        for fields in wanted
        if tuple((field, 1) for field in fields) not in existing
    ]
    if not models:
        return 0
    try:
        collection.create_indexes(models)
    except OperationFailure as error:
        if error.code in NOT_AUTHORIZED:
            return 0
        raise
    return len(models)
