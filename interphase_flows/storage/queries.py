"""Questions to the ledger in words of the command line, and answers as table, JSON or CSV."""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.storage.ledger import KINDS, Ledger

__all__ = ["field_value", "parse_filters", "query", "to_csv", "to_json", "to_table"]

_OPERATORS = {"!=": "$ne", ">=": "$gte", "<=": "$lte", ">": "$gt", "<": "$lt"}
_FILTER = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(!=|>=|<=|=|<|>|~)\s*(.*?)\s*")
_HELP = (
    "a filter is FIELD OPERATOR VALUE, with one of = != < <= > >= or ~ (contains, a regular expression), "
    "such as reason=max_force, energy<3 or origin~amorphous; a dot goes into a field: details.force>5"
)


def query(
    ledger: Ledger,
    kind: str,
    filters: Sequence[str] = (),
    fields: Sequence[str] | None = None,
    limit: int = 0,
) -> list[dict[str, Any]]:
    """Documents of a kind that pass every filter, oldest first.

    Parameters
    ----------
    ledger
        Where to look.
    kind
        One of the ledger's kinds.
    filters
        Such as ``reason=max_force``, ``energy<3``, ``origin~amorphous``.
    fields
        Fields to return, dots for nested ones; whole documents if None.
    limit
        At most so many; 0 is all.

    Raises
    ------
    InputError
        For an unknown kind or a malformed filter; says what is allowed.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}; kinds are {', '.join(KINDS)}")
    if limit < 0:
        raise InputError(f"limit = {limit}: must be 0 (all) or more")
    found = ledger.find(kind, parse_filters(filters), limit=limit)
    if fields is None:
        return found
    return [{field: field_value(document, field) for field in fields} for document in found]


def parse_filters(filters: Sequence[str]) -> dict[str, Any]:
    """A filter of MongoDB from filters in words.

    Raises
    ------
    InputError
        For a malformed filter.
    """
    conditions = [_parse(text) for text in filters]
    return {"$and": conditions} if conditions else {}


def _parse(text: str) -> dict[str, Any]:
    match = _FILTER.fullmatch(text)
    if match is None or not match[3]:
        raise InputError(f"filter {text!r}: {_HELP}")
    field, operator, value = match.groups()
    if operator == "~":
        try:
            re.compile(value)
        except re.error as error:
            raise InputError(f"filter {text!r}: {value!r} is no regular expression: {error}") from error
        return {field: {"$regex": value, "$options": "i"}}
    meaning = _literal(value)
    if operator == "=":
        # a key made of digits is a string that looks like a number
        return {field: meaning if meaning is None or meaning == value else {"$in": [meaning, value]}}
    return {field: {_OPERATORS[operator]: meaning}}


def _literal(value: str) -> Any:
    """A number, true, false, null or a quoted string; else the text itself."""
    try:
        meaning = json.loads(value)
    except json.JSONDecodeError:
        return value
    return value if isinstance(meaning, list | dict) else meaning


def field_value(document: dict[str, Any], field: str) -> Any:
    """The value of a field, dots going into mappings and lists; None if absent."""
    value: Any = document
    for part in field.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def to_json(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as JSON."""
    return json.dumps(list(rows), indent=2, default=str)


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV with a header; numbers in full, nested values as JSON."""
    text = io.StringIO()
    columns = _columns(rows)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        writer.writerow([repr(value) if isinstance(value, float) else _cell(value) for value in values])
    return text.getvalue()


def to_table(rows: Sequence[dict[str, Any]], max_width: int = 40) -> str:
    """Rows as text in aligned columns.

    Parameters
    ----------
    rows
        What to show.
    max_width
        Longer cells are cut, with an ellipsis, in characters.
    """
    columns = _columns(rows)
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    cells = [[c if len(c) <= max_width else c[: max_width - 1] + "…" for c in line] for line in cells]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(lines)


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
