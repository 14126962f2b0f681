"""Answer a query on the command line."""

from collections.abc import Sequence

from interphase_flows.exceptions import InputError
from interphase_flows.settings import Settings
from interphase_flows.storage.queries import query, to_csv, to_json, to_table
from interphase_flows.storage.workspace import open_workspace

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
    those whose energy was out of line with the others of their composition.

    Raises
    ------
    InputError
        Unknown kind, malformed filter or unknown format, or ``rejected`` for another kind than labels.
    """
    if rejected and kind != "labels":
        raise InputError(f"--rejected is for labels, not for {kind}; leave it out")
    writers = {"table": to_table, "json": to_json, "csv": to_csv}
    if output not in writers:
        raise InputError(f"--format {output}: choose one of {', '.join(writers)}")
    chosen = fields or (None if output == "json" else DEFAULT_FIELDS.get(kind))
    if rejected and chosen is not None:
        chosen = list(dict.fromkeys([*chosen, "key", "status", "reason"]))
    with open_workspace(settings, name, read_only=True) as workspace:
        rows = query(workspace.ledger, kind, filters, chosen, 0 if rejected else limit)
        if rejected:
            left_out = {
                f["failed_key"]: f["reason"] for f in workspace.ledger.find("failures", {"failed_kind": kind})
            }
            rows = [
                row | {"reason": row.get("reason") or left_out[row["key"]]}
                for row in rows
                if row.get("status") == "rejected" or row["key"] in left_out
            ][: limit or None]
    return writers[output](rows) if rows else f"no {kind} match"
