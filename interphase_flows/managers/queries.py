"""Answer a query on the command line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.managers.rejections import only_rejected, take_out_files
from interphase_flows.settings import Settings
from interphase_flows.storage.queries import field_value, query, to_csv, to_json, to_table
from interphase_flows.storage.workspace import Workspace, open_workspace

DEFAULT_FIELDS = {
    "labels": ["key", "status", "reason", "formula", "origin", "energy_ev", "method_name"],
    "datasets": ["key", "n_frames", "method.name", "parent_key"],
    "models": ["key", "member", "seed", "n_epochs", "best_validation_loss", "dataset_key"],
    "committees": [
        "key",
        "dataset_key",
        "select_force_std_ev_per_angstrom",
        "stop_force_std_ev_per_angstrom",
    ],
    "segments": ["key", "run_id", "role", "first_step", "last_step", "stop_reason", "temperature_mean_k"],
    "iterations": ["index", "n_labels_total", "fraction_above_select", "decision", "reason"],
    "analyses": ["key", "name", "values"],
    "failures": ["failed_kind", "failed_key", "reason", "tries", "last_at", "details.explanation"],
    "structure_sets": ["key", "name", "notes"],
}


REJECTED_FIELDS = ["reason", "formula", "origin", "explanation", "key"]
_OF_REASON = re.compile(r"\s*reason\b")
REJECTED_WIDTH = 110
"""Of a column, in characters: an explanation is a sentence."""


def query_campaign(
    settings: Settings,
    name: str,
    kind: str,
    filters: Sequence[str],
    fields: Sequence[str] | None,
    limit: int,
    output: str,
    rejected: bool = False,
) -> str:
    """Return documents as a table, JSON (whole documents unless fields are named) or CSV.

    ``rejected`` asks for labels that no data set took: those that failed a gate of their own, and
    those that were compared with others and left out.

    Raises
    ------
    InputError
        Unknown kind, malformed filter or unknown format, or ``rejected`` for another kind than labels.
    """
    writers = {"table": to_table, "json": to_json, "csv": to_csv}
    if output not in writers:
        raise InputError(f"--format {output}: choose one of {', '.join(writers)}")
    chosen = fields or (None if output == "json" else DEFAULT_FIELDS.get(kind))
    with open_workspace(settings, name, read_only=True) as workspace:
        if not rejected:
            rows = query(workspace.ledger, kind, filters, chosen, limit)
        else:
            rows = _rejected(workspace, kind, filters, limit)
            if chosen is not None:
                told = fields or REJECTED_FIELDS
                rows = [{field: field_value(row, field) for field in told} for row in rows]
    if rejected and rows and output == "table":
        return to_table(rows, REJECTED_WIDTH)
    return writers[output](rows) if rows else f"no {kind} match"


def take_out_label_files(
    settings: Settings, name: str, kind: str, filters: Sequence[str], limit: int, rejected: bool, target: Path
) -> list[Path]:
    """Unpack inputs and logs of the labels that a query finds; returns the files.

    Raises
    ------
    InputError
        Another kind than labels, or nothing is kept of those that match.
    """
    if kind != "labels":
        raise InputError(
            f"--files is for labels, not for {kind}: their inputs and logs are kept; leave it out"
        )
    with open_workspace(settings, name, read_only=True) as workspace:
        found = (
            _rejected(workspace, kind, filters, limit)
            if rejected
            else query(workspace.ledger, kind, filters, None, limit)
        )
        return take_out_files(workspace, found, target)


def _rejected(workspace: Workspace, kind: str, filters: Sequence[str], limit: int) -> list[dict[str, Any]]:
    if kind != "labels":
        raise InputError(f"--rejected is for labels, not for {kind}; leave it out")
    of_reason = [text for text in filters if _OF_REASON.match(text)]
    others = [text for text in filters if text not in of_reason]
    found = only_rejected(workspace.ledger, query(workspace.ledger, kind, others))
    if of_reason:
        # why a data set left a label out is written in the failures, not in the label
        own = {label["key"] for label in query(workspace.ledger, kind, of_reason)}
        left = {failure["failed_key"] for failure in query(workspace.ledger, "failures", of_reason)}
        found = [label for label in found if label["key"] in (own if label["status"] == "rejected" else left)]
    return found[: limit or None]
