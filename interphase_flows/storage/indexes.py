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
from interphase_flows.storage.mongodb import NOT_AUTHORIZED

__all__ = ["INDEXES", "JOB_INDEXES", "collection_of", "indexes_of", "make_indexes"]

Fields = tuple[str, ...]

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
    "convergence_studies": _OF_EVERY_KIND,
    "lattice_constants": _OF_EVERY_KIND,
    "learning_curves": _OF_EVERY_KIND,
    "production_audits": _OF_EVERY_KIND,
    "relaxed_phases": (*_OF_EVERY_KIND, ("phase", "created_at")),
    "thermodynamics": _OF_EVERY_KIND,
    "phase_references": _OF_EVERY_KIND,
    "interface_analyses": _OF_EVERY_KIND,
    **dict.fromkeys(part_classes(), (*_OF_EVERY_KIND, ("analysis_key",))),
    "phases": (*_OF_EVERY_KIND, ("analysis_key",), ("average.phases.li2s.atom_fraction.value",)),
    "cell_transport": (*_OF_EVERY_KIND, ("result.cell", "result.temperature_K")),
    "transport_grids": _OF_EVERY_KIND,
    "failures": (
        *_OF_EVERY_KIND,
        ("last_at",),
        ("campaign", "last_at"),
        ("reason", "last_at"),
        ("failed_kind", "reason", "last_at"),
    ),
    "campaigns": (*_OF_EVERY_KIND, ("status", "created_at")),
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
    """Create missing indexes, whatever the names of those that exist; return how many were created.

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
