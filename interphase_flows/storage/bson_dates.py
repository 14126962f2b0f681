"""Times of documents in MongoDB: BSON dates in the database, ISO 8601 in UTC everywhere else.

Documents of before have strings. MongoDB sorts strings before dates, so a mixed collection is in the order of time.
"""

from datetime import UTC, datetime
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument

DATE_FIELDS = ("created_at", "last_at", "updated_at", "started_at", "ended_at")
"""Fields of the ledger, and of the documents of campaigns."""


def with_dates(document: JsonDocument) -> JsonDocument:
    """Return a document for the database."""
    return document | {field: _to_date(document[field]) for field in DATE_FIELDS if field in document}


def with_iso_times(document: JsonDocument) -> JsonDocument:
    """Return a document of the database with its times in ISO 8601, to the millisecond that BSON stores."""
    times = {field: document[field] for field in DATE_FIELDS if isinstance(document.get(field), datetime)}
    return document | {field: _to_iso(time) for field, time in times.items()}


def criteria_of_dates(criteria: Criteria) -> JsonDocument:
    """Return criteria that compare times with dates, and with the strings of earlier documents.

    Raises
    ------
    InputError
        A time is compared with a regular expression.
    """
    parts = [_translated(field, condition) for field, condition in criteria.items()]
    merged = {field: condition for part in parts for field, condition in part.items()}
    return merged if len(merged) == len(parts) else {"$and": parts}


def _translated(field: str, condition: Any) -> JsonDocument:
    if field in ("$and", "$or"):
        return {field: [criteria_of_dates(each) for each in condition]}
    if field not in DATE_FIELDS:
        return {field: condition}
    operators = condition if isinstance(condition, dict) else {"$eq": condition}
    if "$regex" in operators:
        raise InputError(f"{field}~{operators['$regex']}: times are dates. Hint: compare, such as {field}>=2026-01-31")
    of_dates = {
        operator: [_to_date(each) for each in value] if isinstance(value, list) else _to_date(value)
        for operator, value in operators.items()
    }
    if of_dates == operators:
        return {field: condition}
    return {"$and" if operators.keys() & {"$ne", "$nin"} else "$or": [{field: of_dates}, {field: condition}]}


def _to_date(value: Any) -> Any:
    """Return a time as a date; a text that is no time as it is. Without a zone, it is in UTC."""
    if not isinstance(value, str):
        return value
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return value
    time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _to_iso(time: datetime) -> str:
    utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds")
