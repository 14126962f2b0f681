"""Questions to the ledger in words of the command line, and answers as table, JSON or CSV."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.schemas.kinds import ABBREVIATED, document_kinds, document_schema
from interphase_flows.storage.ledger import KINDS, LEDGER_FIELDS, Ledger

__all__ = [
    "check_fields",
    "field_value",
    "fields_of",
    "parse_filters",
    "parse_sort",
    "query",
    "stream",
    "to_csv",
    "to_json",
    "to_table",
]

_OF_FAILURES = ("failed_kind", "failed_key", "reason", "details", "tries", "last_at")
_CHUNK = 200
"""Documents that are read at a time where a caller takes them one by one."""

_OPERATORS = {"!=": "$ne", ">=": "$gte", "<=": "$lte", ">": "$gt", "<": "$lt"}
_FILTER = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(!=|>=|<=|=|<|>|~)\s*(.*?)\s*")
_SORT = re.compile(r"\s*(-?)\s*([A-Za-z_][\w.]*)\s*")
_HELP = (
    "a filter is FIELD OPERATOR VALUE, with one of = != < <= > >= or ~ (contains, a regular expression), "
    "such as reason=max_force, energy_eV<3 or origin~amorphous; a dot goes into a field: details.force>5"
)


def query(
    ledger: Ledger,
    kind: str,
    filters: Sequence[str] = (),
    fields: Sequence[str] | None = None,
    limit: int = 0,
    sort: Sequence[str] = (),
    criteria: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Documents of a kind that pass every filter; the database filters, sorts and limits.

    Parameters
    ----------
    ledger
        Where to look.
    kind
        One of the ledger's kinds.
    filters
        Such as ``reason=max_force``, ``energy_eV<3``, ``origin~amorphous``.
    fields
        Fields to return, dots for nested ones; whole documents if None.
    limit
        At most so many; 0 is all.
    sort
        Fields to sort by, the first one first; ``-`` before one is descending. Oldest first if empty.
    criteria
        A further filter, of MongoDB.

    Raises
    ------
    InputError
        For an unknown kind or a malformed filter; says what is allowed.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}; kinds are {', '.join(KINDS)}")
    if limit < 0:
        raise InputError(f"limit = {limit}: must be 0 (all) or more")
    filters, sort = ([expand(kind, each) for each in texts] for texts in (filters, sort))
    shown = fields
    fields = None if fields is None else [expand(kind, field) for field in fields]
    # a part of a nested field is cut out here: the store cannot go into lists
    roots = None if fields is None else list(dict.fromkeys(field.split(".")[0] for field in fields))
    found = ledger.find(kind, _both(parse_filters(filters), criteria), roots, parse_sort(sort), limit)
    if fields is None:
        return found
    return [
        {name: field_value(document, field) for name, field in zip(shown or (), fields, strict=True)}
        for document in found
    ]


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
    criteria: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Documents as :func:`query` finds them, one by one, and never all of them in memory.

    Which they are is asked first, by their keys; they are then read a few hundred at a time. One that is taken out of
    the ledger meanwhile is passed over, and one that comes meanwhile is not among them.
    """
    keys = [found["key"] for found in query(ledger, kind, filters, ["key"], limit, sort, criteria)]
    for first in range(0, len(keys), _CHUNK):
        chunk = keys[first : first + _CHUNK]
        found = {document["key"]: document for document in ledger.find(kind, {"key": {"$in": chunk}})}
        yield from (found[key] for key in chunk if key in found)


def check_fields(kind: str, fields: Sequence[str]) -> None:
    """Refuse fields that no document of a kind has; only the part before the first dot is looked at.

    Raises
    ------
    InputError
        Says what was perhaps meant.
    """
    if kind in ABBREVIATED:
        return  # fields depend on the phases that formed
    if kind in document_kinds():
        own: Sequence[str] = list(document_schema(kind).model_fields)
    elif kind == "failures":
        own = _OF_FAILURES
    else:  # states: they say what their writer likes
        return
    known = [*own, *(field for field in LEDGER_FIELDS if field not in own)]
    for field in fields:
        root = field.split(".")[0]
        if root not in known:
            near = get_close_matches(root, known, 1)
            raise InputError(
                f"{kind} have no field {root!r}; "
                + (f"did you mean {near[0]!r}?" if near else f"they have {', '.join(known)}")
            )


def parse_filters(filters: Sequence[str]) -> dict[str, Any]:
    """A filter of MongoDB from filters in words.

    Raises
    ------
    InputError
        For a malformed filter.
    """
    together: dict[str, Any] = {}
    others: list[dict[str, Any]] = []
    for text in filters:
        ((field, condition),) = _parse(text).items()
        if field in together:
            others.append({field: condition})
        else:
            together[field] = condition
    return _both(together, {"$and": others} if others else None)


def _both(one: dict[str, Any], other: Mapping[str, Any] | None) -> dict[str, Any]:
    if not one or not other:
        return one or dict(other or {})
    # side by side where that is possible: the embedded store finds its index only so
    return {"$and": [one, dict(other)]} if one.keys() & other.keys() else {**one, **other}


def fields_of(filters: Sequence[str]) -> list[str]:
    """The fields that filters look at."""
    return [field for text in filters for field in _parse(text)]


def parse_sort(sort: Sequence[str]) -> dict[str, int] | None:
    """Fields to sort by, 1 ascending and -1 descending, from words such as ``-created_at``; None if there are none.

    Raises
    ------
    InputError
        For a word that is no field.
    """
    found: dict[str, int] = {}
    for text in sort:
        match = _SORT.fullmatch(text)
        if match is None:
            raise InputError(
                f"sort {text!r}: name a field, with - before it for descending: energy_eV or -created_at"
            )
        found[match[2]] = -1 if match[1] else 1
    return found or None


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
