"""Find documents that do not have the fields of their schema: a database accepts any, and others may write to it.

Readers take fields of documents as they are. Only after one has failed are the documents checked against their schemas,
so that a reading command names the document, and an error of the program remains visible as one.
"""

import json

from pydantic import BaseModel, ValidationError

from interphase_flows.exceptions import CorruptStoreError
from interphase_flows.schemas.campaign import CampaignRecord
from interphase_flows.schemas.failure import FailureDoc
from interphase_flows.schemas.kinds import document_kinds, document_schema
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_entry import invalid_document, of_campaign

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""Errors of readers at documents that lack fields, or whose fields have values of other types."""

_RECORDS: dict[str, type[BaseModel]] = {"campaigns": CampaignRecord, "failures": FailureDoc}


def damaged_document(ledger: Ledger) -> CorruptStoreError | None:
    """Return an error that names the first damaged document of a campaign; None if there is none."""
    for kind in (*_RECORDS, *document_kinds()):
        schema = _RECORDS.get(kind) or document_schema(kind)
        for document in ledger.find(kind, of_campaign(ledger.campaign or "")):
            own = {name: document[name] for name in schema.model_fields if name in document}
            try:
                schema.model_validate_json(json.dumps(own, default=str), strict=True)
            except ValidationError as error:
                return invalid_document(kind, str(document.get("key")), error)
    return None
