"""Entries of the ledger: documents with key, kind, campaigns and time, limited in size."""

from datetime import UTC, datetime

import bson
from bson.errors import BSONError
from monty.json import jsanitize
from pydantic import BaseModel, ValidationError

from interphase_flows.exceptions import CorruptStoreError, DocumentTooLargeError, StorageError
from interphase_flows.schemas.kinds import document_kinds
from interphase_flows.storage.ledger_backend import JsonDocument

STATE_KINDS = ("campaigns", "progress", "leases")
"""Kinds whose documents change; all others are written once."""

KINDS: tuple[str, ...] = (*document_kinds(), "failures", *STATE_KINDS)
"""Kinds of documents in the ledger; results have a schema, see `schemas.kinds`."""

LEDGER_FIELDS = ("key", "kind", "campaign", "used_by", "created_at")
"""Fields that the ledger adds: ``campaign`` computed the document first, ``used_by`` are all campaigns that use it."""
MAX_DOCUMENT_BYTES = 1_000_000


def of_campaign(campaign: str) -> JsonDocument:
    """Return criteria of the documents that a campaign uses, also those of before ``used_by`` was recorded."""
    return {"$or": [{"used_by": campaign}, {"campaign": campaign}]}


def make_entry(kind: str, key: str, campaign: str | None, document: JsonDocument | BaseModel) -> JsonDocument:
    """Return a document with the fields of the ledger added.

    Raises
    ------
    DocumentTooLargeError
        It is over 1 MB; the message names the largest fields.
    StorageError
        It has a value that cannot be stored, or a different ``key`` or ``kind``.
    """
    if isinstance(document, BaseModel):
        sanitized = document.model_dump(mode="json")
    else:
        sanitized = jsanitize(dict(document), allow_bson=True, recursive_msonable=True)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    fields: JsonDocument = {"key": key, "kind": kind, "campaign": campaign, "created_at": now}
    if kind not in STATE_KINDS:
        fields["used_by"] = [] if campaign is None else [campaign]
    for field in ("key", "kind"):
        if sanitized.get(field, fields[field]) != fields[field]:
            raise StorageError(
                f"ledger: {kind} {key}: the document has {field} = {sanitized[field]!r}. Hint: rename that field; "
                f"{', '.join(LEDGER_FIELDS)} are reserved"
            )
    entry = sanitized | fields
    check_size(f"ledger: {kind} {key}", entry)
    return entry


def check_size(subject: str, document: JsonDocument) -> None:
    """Check that a document can be stored.

    Raises
    ------
    DocumentTooLargeError
        It is over 1 MB; the message names the largest fields.
    StorageError
        It has a value that cannot be stored.
    """
    try:
        size_bytes = len(bson.encode(document))
        if size_bytes <= MAX_DOCUMENT_BYTES:
            return
        sizes = {field: len(bson.encode({field: value})) for field, value in document.items()}
    except (BSONError, OverflowError, UnicodeError) as error:
        raise StorageError(f"{subject}: not a document: {error}. Hint: store numbers, strings and lists") from error
    largest = sorted(sizes, key=lambda field: -sizes[field])[:3]
    raise DocumentTooLargeError(
        f"{subject}: {size_bytes / 1e6:.1f} MB is over {MAX_DOCUMENT_BYTES / 1e6:.0f} MB; largest fields: "
        + ", ".join(f"{field} ({sizes[field] / 1e6:.2f} MB)" for field in largest)
        + ". Hint: store the data as an artifact, and its reference in the document"
    )


def invalid_document(kind: str, key: str, error: ValidationError) -> CorruptStoreError:
    """Return the error for a document that does not have the fields of its schema."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"])) or "document"
    return CorruptStoreError(
        f"ledger: {kind} {key}: damaged, or written by another version: {field}: {first['msg']}. Hint: restore the "
        "database from a backup; a resume computes results again that its jobs cannot read"
    )
