"""Queries of the ledger in the syntax of the command line; results as table, JSON or CSV."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.printable import printable
from interphase_flows.schemas.kinds import ABBREVIATED, document_kinds, document_schema
from interphase_flows.storage.ledger import KINDS, LEDGER_FIELDS, Ledger
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument

_FAILURE_FIELDS = ("failed_kind", "failed_key", "reason", "details", "tries", "last_at")
_CHUNK = 200
"""Number of documents that :func:`stream` reads at a time."""

_OPERATORS = {"!=": "$ne", ">=": "$gte", "<=": "$lte", ">": "$gt", "<": "$lt"}
_FILTER = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(!=|>=|<=|=|<|>|~)\s*(.*?)\s*")
_SORT = re.compile(r"\s*(-?)\s*([A-Za-z_][\w.-]*)\s*")
_HELP = (
    "a filter is FIELD OPERATOR VALUE, with one of = != < <= > >= or ~ (matches a regular expression), "
    "such as reason=max_force, energy_eV<3 or origin~amorphous; a dot selects a nested field: details.force>5"
)


def query(
    ledger: Ledger,
    kind: str,
    filters: Sequence[str] = (),
    fields: Sequence[str] | None = None,
    limit: int = 0,
    sort: Sequence[str] = (),
    criteria: Criteria | None = None,
) -> list[JsonDocument]:
    """Return documents of a kind that pass all filters; the database filters, sorts and limits.

    Parameters
    ----------
    filters
        Such as ``reason=max_force``, ``energy_eV<3``, ``origin~amorphous``.
    fields
        Fields to return, with dots for nested ones; complete documents if None.
    limit
        Maximum number of documents; 0 means no limit.
    sort
        Fields to sort by, the most significant first; ``-`` means descending. Oldest first if empty.
    criteria
        A further filter, in MongoDB's query language.

    Raises
    ------
    InputError
        The kind is unknown or a filter is malformed; the message lists what is allowed.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}; kinds are {', '.join(KINDS)}")
    if limit < 0:
        raise InputError(f"limit = {limit}: must be 0 (all) or more")
    filters, sort = ([expand(kind, text) for text in texts] for texts in (filters, sort))
    shown = fields
    fields = None if fields is None else [expand(kind, field) for field in fields]
    # nested fields are selected below: the database cannot select from lists
    roots = None if fields is None else list(dict.fromkeys(field.split(".")[0] for field in fields))
    found = ledger.find(kind, _both(parse_filters(filters), criteria), roots, parse_sort(sort), limit)
    if fields is None:
        return found
    return [
        {name: field_value(document, field) for name, field in zip(shown or (), fields, strict=True)}
        for document in found
    ]


def count(ledger: Ledger, kind: str, filters: Sequence[str] = (), criteria: Criteria | None = None) -> int:
    """Return the number of documents of :func:`query`, counted by the store."""
    return ledger.count(kind, _both(parse_filters([expand(kind, text) for text in filters]), criteria))


def expand(kind: str, text: str) -> str:
    """Return a field, filter or sort key with the path that queries of its kind may leave out."""
    if kind not in ABBREVIATED:
        return text
    sign, root, rest = re.match(r"(\s*-?\s*)([A-Za-z_]\w*)?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if root is None or root in {*document_schema(kind).model_fields, *LEDGER_FIELDS}:
        return text
    return f"{sign}{ABBREVIATED[kind]}.{root}{rest}"


def stream(
    ledger: Ledger,
    kind: str,
    filters: Sequence[str] = (),
    limit: int = 0,
    sort: Sequence[str] = (),
    criteria: Criteria | None = None,
) -> Iterator[JsonDocument]:
    """Yield the documents of :func:`query` without holding all of them in memory.

    Their keys are queried first; the documents are then read a few hundred at a time. Documents removed meanwhile are
    skipped, and documents added meanwhile are not included.
    """
    keys = [found["key"] for found in query(ledger, kind, filters, ["key"], limit, sort, criteria)]
    for first in range(0, len(keys), _CHUNK):
        chunk = keys[first : first + _CHUNK]
        found = {document["key"]: document for document in ledger.find(kind, {"key": {"$in": chunk}})}
        yield from (found[key] for key in chunk if key in found)


def check_fields(kind: str, fields: Sequence[str]) -> None:
    """Check that documents of a kind have the fields; only the part before the first dot is checked.

    Raises
    ------
    InputError
        A field is unknown; the message suggests the nearest one.
    """
    if kind in ABBREVIATED:
        return  # fields depend on the phases that formed
    if kind in document_kinds():
        own: Sequence[str] = list(document_schema(kind).model_fields)
    elif kind == "failures":
        own = _FAILURE_FIELDS
    else:  # states have no schema
        return
    known = [*own, *(field for field in LEDGER_FIELDS if field not in own)]
    for field in fields:
        root = field.split(".")[0]
        if root not in known:
            near = get_close_matches(root, known, 1)
            raise InputError(
                f"{kind} have no field {root!r}. Hint: "
                + (f"did you mean {near[0]!r}?" if near else f"their fields are {', '.join(known)}")
            )


def parse_filters(filters: Sequence[str]) -> JsonDocument:
    """Translate filters of the command line to MongoDB's query language.

    Raises
    ------
    InputError
        A filter is malformed.
    """
    combined: JsonDocument = {}
    others: list[JsonDocument] = []
    for text in filters:
        ((field, condition),) = _parse(text).items()
        if field in combined:
            others.append({field: condition})
        else:
            combined[field] = condition
    return _both(combined, {"$and": others} if others else None)


def _both(one: JsonDocument, other: Criteria | None) -> JsonDocument:
    if not one or not other:
        return one or dict(other or {})
    # merged if possible: the SQLite backend finds a condition on `key` only at the top level
    return {"$and": [one, dict(other)]} if one.keys() & other.keys() else {**one, **other}


def fields_of(filters: Sequence[str]) -> list[str]:
    """Return the fields to which filters refer."""
    return [field for text in filters for field in _parse(text)]


def parse_sort(sort: Sequence[str]) -> dict[str, int] | None:
    """Parse fields such as ``-created_at`` to a sort order, 1 ascending and -1 descending; None if there are none.

    Raises
    ------
    InputError
        A field is malformed.
    """
    found: dict[str, int] = {}
    for text in sort:
        match = _SORT.fullmatch(text)
        if match is None:
            raise InputError(
                f"sort {text!r}: not a field. Hint: write FIELD, or -FIELD for descending, such as -created_at"
            )
        found[match[2]] = -1 if match[1] else 1
    return found or None


def _parse(text: str) -> JsonDocument:
    match = _FILTER.fullmatch(text)
    if match is None or not match[3]:
        raise InputError(f"filter {text!r}: {_HELP}")
    field, operator, value = match.groups()
    if operator == "~":
        try:
            re.compile(value)
        except re.error as error:
            raise InputError(f"filter {text!r}: {value!r} is not a regular expression: {error}") from error
        return {field: {"$regex": value, "$options": "i"}}
    literal = _literal(value)
    if operator == "=":
        # a content key may consist of digits alone, and is a string
        return {field: literal if literal is None or literal == value else {"$in": [literal, value]}}
    return {field: {_OPERATORS[operator]: literal}}


def _literal(value: str) -> str | float | bool | None:
    """Parse a number, true, false, null or a quoted string; return other text unchanged."""
    try:
        literal: str | float | bool | list[object] | JsonDocument | None = json.loads(value)
    except json.JSONDecodeError:
        return value
    return value if isinstance(literal, list | dict) else literal


def field_value(document: JsonDocument, field: str) -> Any:
    """Return the value of a field, with dots for nested mappings and lists; None if missing."""
    value: Any = document
    for part in field.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def to_json(rows: Sequence[JsonDocument]) -> str:
    """Format rows as JSON."""
    return json.dumps(list(rows), indent=2, default=str)


def to_csv(rows: Sequence[JsonDocument]) -> str:
    """Format rows as CSV with a header; numbers in full precision, nested values as JSON."""
    text = io.StringIO()
    columns = _columns(rows)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        writer.writerow([_exact(value) for value in values])
    return text.getvalue()


def to_table(rows: Sequence[JsonDocument], max_width: int = 40) -> str:
    """Format rows as text in aligned columns; cells longer than ``max_width`` characters end with an ellipsis."""
    columns = _columns(rows)
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    cells = [[c if len(c) <= max_width else c[: max_width - 1] + "…" for c in line] for line in cells]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(lines)


def _columns(rows: Sequence[JsonDocument]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _exact(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    return value if isinstance(value, str) else _cell(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, default=str) if isinstance(value, dict | list) else printable(value)
