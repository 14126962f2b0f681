"""Answer a query on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interphase_flows.commands.rejections import left_out, take_out_files
from interphase_flows.exceptions import InputError
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger import KINDS
from interphase_flows.storage.queries import (
    check_fields,
    fields_of,
    parse_filters,
    parse_sort,
    query,
    to_csv,
    to_json,
    to_table,
)
from interphase_flows.storage.workspace import Workspace, open_workspace

DEFAULT_FIELDS = {
    "labels": ["key", "status", "reason", "formula", "origin", "energy_eV", "method_name"],
    "datasets": ["key", "n_frames", "method.name", "parent_key"],
    "models": ["key", "member", "seed", "n_epochs", "best_validation_loss", "dataset_key"],
    "committees": [
        "key",
        "dataset_key",
        "select_force_std_eV_per_angstrom",
        "stop_force_std_eV_per_angstrom",
    ],
    "segments": ["key", "run_id", "role", "first_step", "last_step", "stop_reason", "temperature_mean_K"],
    "iterations": ["index", "n_labels_total", "fraction_above_select", "decision", "reason"],
    "analyses": ["key", "name", "values"],
    "failures": ["failed_kind", "failed_key", "reason", "tries", "last_at", "details.explanation"],
    "structure_sets": ["key", "name", "notes"],
}

REJECTED_FIELDS = ["reason", "formula", "origin", "explanation", "key"]
REJECTED_WIDTH = 110
"""Of a column, in characters: an explanation is a sentence."""

WRITERS = {"table": to_table, "json": to_json, "csv": to_csv}


@dataclass(frozen=True)
class Question:
    """What is asked of a campaign's documents.

    Attributes
    ----------
    kind
        Kind of document.
    filters
        Such as ``status=rejected``; all must hold.
    sort
        Fields, the first one first, with ``-`` before a descending one; oldest first if empty.
    limit
        At most so many; 0 is all.
    rejected
        Labels that no data set took: those that failed a gate of their own, and those that were compared with others
        and left out.
    """

    kind: str
    filters: Sequence[str] = ()
    sort: Sequence[str] = ()
    limit: int = 0
    rejected: bool = False


def query_campaign(
    settings: Settings, name: str, asked: Question, fields: Sequence[str] | None, output: str
) -> str:
    """Return documents as a table, JSON (whole documents unless fields are named) or CSV.

    Raises
    ------
    InputError
        Unknown kind or field, malformed filter or unknown format, or ``rejected`` for another kind than labels.
    """
    if output not in WRITERS:
        raise InputError(f"--output {output}: choose one of {', '.join(WRITERS)}")
    _check(asked, fields or ())
    if asked.rejected:
        shown: Sequence[str] | None = fields or (None if output == "json" else REJECTED_FIELDS)
    else:
        shown = fields or (None if output == "json" else DEFAULT_FIELDS.get(asked.kind))
    with open_workspace(settings, name, read_only=True) as workspace:
        rows = _found(workspace, asked, shown)
    if not rows:
        return f"no {asked.kind} match" if output == "table" else WRITERS[output](rows)
    if asked.rejected and output == "table":
        return to_table(rows, REJECTED_WIDTH)
    return WRITERS[output](rows)


def count_in_campaign(settings: Settings, name: str, asked: Question) -> int:
    """Return how many documents match; they are counted in the store.

    Raises
    ------
    InputError
        As :func:`query_campaign`.
    """
    _check(asked)
    with open_workspace(settings, name, read_only=True) as workspace:
        if not asked.rejected:
            return workspace.ledger.count(asked.kind, parse_filters(asked.filters))
        others, criteria, _ = _rejected(workspace, asked)
        return len(query(workspace.ledger, asked.kind, others, ["key"], criteria=criteria))


def take_out_label_files(settings: Settings, name: str, asked: Question, target: Path) -> list[Path]:
    """Unpack inputs and logs of the labels that a query finds; returns the files.

    Raises
    ------
    InputError
        Another kind than labels, or nothing is kept of those that match.
    """
    if asked.kind != "labels":
        raise InputError(
            f"--files is for labels, not for {asked.kind}: their inputs and logs are kept; leave it out"
        )
    _check(asked)
    with open_workspace(settings, name, read_only=True) as workspace:
        return take_out_files(workspace, _found(workspace, asked, ["key", "files"]), target)


def _check(asked: Question, fields: Sequence[str] = ()) -> None:
    if asked.kind not in KINDS:
        raise InputError(f"unknown kind {asked.kind!r}; kinds are {', '.join(KINDS)}")
    sorted_by = list(parse_sort(asked.sort) or {})
    check_fields(asked.kind, [*fields_of(asked.filters), *sorted_by, *fields])
    if not asked.rejected:
        return
    if asked.kind != "labels":
        raise InputError(f"--rejected is for labels, not for {asked.kind}; leave it out")
    if {"reason", "explanation"} & set(sorted_by):
        raise InputError(
            f"--rejected --sort {','.join(asked.sort)}: why a data set left a label out is not in the label; sort by "
            "another field, or ask for one reason"
        )


def _found(workspace: Workspace, asked: Question, fields: Sequence[str] | None) -> list[dict[str, Any]]:
    if not asked.rejected:
        return query(workspace.ledger, asked.kind, asked.filters, fields, asked.limit, asked.sort)
    others, criteria, left = _rejected(workspace, asked)
    needed = None if fields is None else [*fields, "key"]
    found = query(workspace.ledger, asked.kind, others, needed, asked.limit, asked.sort, criteria)
    told = [label | left.get(label["key"], {}) for label in found]
    return told if fields is None else [{field: label.get(field) for field in fields} for label in told]


def _rejected(
    workspace: Workspace, asked: Question
) -> tuple[list[str], dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the filters of labels, one of MongoDB for those that never train, and why some were left out."""
    of_reason = [text for text in asked.filters if fields_of([text]) == ["reason"]]
    others = [text for text in asked.filters if text not in of_reason]
    # why a data set left a label out is written in the failures, not in the label
    left = left_out(workspace.ledger, parse_filters(of_reason))
    own = {"status": "rejected"} | parse_filters(of_reason)
    return others, {"$or": [own, {"key": {"$in": list(left)}}]}, left
