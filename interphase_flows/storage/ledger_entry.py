"""An entry of the ledger: a document with its key, kind, campaign and time, small enough to be one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bson
from bson.errors import BSONError
from monty.json import jsanitize
from pydantic import BaseModel

from interphase_flows.exceptions import DocumentTooLargeError, StorageError
from interphase_flows.schemas.kinds import document_kinds

__all__ = ["KINDS", "LEDGER_FIELDS", "MAX_DOCUMENT_BYTES", "STATE_KINDS", "check_size", "make_entry"]

STATE_KINDS = ("campaigns", "progress", "leases")
"""Kinds whose documents change; all others are written once."""

KINDS: tuple[str, ...] = (*document_kinds(), "failures", *STATE_KINDS)
"""Kinds of documents in the ledger; results have a schema, see `schemas.kinds`."""

LEDGER_FIELDS = ("key", "kind", "campaign", "created_at")
MAX_DOCUMENT_BYTES = 1_000_000


def make_entry(
    kind: str, key: str, campaign: str | None, document: Mapping[str, Any] | BaseModel
) -> dict[str, Any]:
    """Complete a document with the fields of the ledger.

    Raises
    ------
    DocumentTooLargeError
        If it is over 1 MB; names the largest fields.
    StorageError
        If it holds what no document can, or has a ``key`` or ``kind`` of its own.
    """
    if isinstance(document, BaseModel):
        plain = document.model_dump(mode="json")
    else:
        plain = jsanitize(dict(document), allow_bson=True, recursive_msonable=True)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    fields = {"key": key, "kind": kind, "campaign": campaign, "created_at": now}
    for field in ("key", "kind"):
        if plain.get(field, fields[field]) != fields[field]:
            raise StorageError(
                f"ledger: {kind} {key}: the document says {field} = {plain[field]!r}; rename that field, "
                f"{', '.join(LEDGER_FIELDS)} are the ledger's"
            )
    entry = plain | fields
    check_size(f"ledger: {kind} {key}", entry)
    return entry


def check_size(subject: str, document: Mapping[str, Any]) -> None:
    """Refuse a document that is too large, or that no database can hold.

    Parameters
    ----------
    subject
        What it is, to begin the message with.
    document
        As it would be written.

    Raises
    ------
    DocumentTooLargeError
        If it is over 1 MB; names the largest fields.
    StorageError
        If it holds what no document can.
    """
    try:
        size_bytes = len(bson.encode(document))
        if size_bytes <= MAX_DOCUMENT_BYTES:
            return
        sizes = {field: len(bson.encode({field: value})) for field, value in document.items()}
    except (BSONError, OverflowError) as error:
        raise StorageError(f"{subject}: not a document: {error}. Store numbers, strings and lists") from error
    largest = sorted(sizes, key=lambda field: -sizes[field])[:3]
    raise DocumentTooLargeError(
        f"{subject}: {size_bytes / 1e6:.1f} MB is over {MAX_DOCUMENT_BYTES / 1e6:.0f} MB; largest fields: "
        + ", ".join(f"{field} ({sizes[field] / 1e6:.2f} MB)" for field in largest)
        + ". Put the data into an artifact and keep its reference"
    )
