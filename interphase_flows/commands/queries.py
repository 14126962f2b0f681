"""Query the documents of a campaign; list, extract and recompute labels that are excluded from training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from interphase_flows.analysis.pipeline.registered_parts import part_classes
from interphase_flows.datasets.gates import LEFT_OUT, NEVER_COMPUTED
from interphase_flows.exceptions import InputError
from interphase_flows.runtime.file_names import file_in
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.kinds import document_kinds, document_schema
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.archive import unpack_archive
from interphase_flows.storage.ledger import KINDS, LEDGER_FIELDS, Ledger
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument
from interphase_flows.storage.queries import (
    check_fields,
    count,
    fields_of,
    parse_filters,
    parse_sort,
    query,
    to_csv,
    to_json,
    to_table,
)
from interphase_flows.storage.workspace import Workspace, open_workspace

RETRIED = "retried"
"""Reason under which the failure of a recomputed label stays in the ledger."""

PART_FIELDS = ["key", "campaign", "analysis_key", "created_at"]
"""Columns of parts of the interface analysis."""

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
    "compiled_potentials": ["key", "machine", "device", "n_threads", "wall_time_s", "reason"],
    "segments": ["key", "run_id", "role", "first_step", "last_step", "stop_reason", "temperature_mean_K"],
    "iterations": ["index", "n_labels_total", "fraction_above_select", "decision", "reason"],
    "relaxed_phases": ["key", "phase", "energy_eV", "volume_angstrom3", "cell", "energy_method"],
    "thermodynamics": ["key", "prediction.full_reaction", "prediction.electrolyte_above_hull_eV_per_atom"],
    "learning_curves": ["key", "n_frames", "committee_keys"],
    "equations_of_state": ["key", "committee_key", "notes"],
    "production_audits": [
        "key",
        "n_frames",
        "forces_mae_meV_per_angstrom.value",
        "energy_mae_meV_per_atom.value",
    ],
    "phases": ["key", "average.n_replicas", "li2s.atom_fraction.value", "li3p.atom_fraction.value"],
    "growth": [*PART_FIELDS, "average.sides.above.decision", "average.sides.below.decision"],
    "verdict": [*PART_FIELDS, "average.state", "average.sides.above.state", "average.sides.below.state"],
    "interface_analyses": ["key", "campaign", "references_key", "analysis_settings.parts"],
    "phase_references": ["key", "temperature_K", "n_runs", "recognised_by_bonds", "committee_key"],
    "cell_transport": [
        "key",
        "result.run_id",
        "result.x_electrode",
        "result.temperature_K",
        "result.rejection",
    ],
    "transport_grids": ["key", "result.temperature_K", "result.species", "result.at_rest"],
    "failures": ["failed_kind", "failed_key", "reason", "tries", "last_at", "details.explanation"],
    "structure_sets": ["key", "name", "notes"],
}

REJECTED_FIELDS = ["reason", "formula", "origin", "explanation", "key"]

REJECTED_WIDTH = 110
"""Largest width of a column, in characters, so that explanations fit."""

WRITERS = {"table": to_table, "json": to_json, "csv": to_csv}


class Exclusion(TypedDict):
    """Reason for which a dataset excluded an accepted label."""

    reason: str
    explanation: str | None


def excluded_labels(ledger: Ledger, *criteria: Criteria) -> dict[str, Exclusion]:
    """Return the accepted labels that a dataset excluded, by key; ``criteria`` filter their failures (MongoDB)."""
    excluded = {"failed_kind": "labels", "reason": {"$in": list(LEFT_OUT)}}
    failures = ledger.find("failures", {"$and": [excluded, *criteria]})
    return {
        failure["failed_key"]: {
            "reason": failure["reason"],
            "explanation": failure["details"].get("explanation"),
        }
        for failure in failures
    }


def count_by_reason(workspace: Workspace) -> dict[str, int]:
    """Return the numbers of rejected and excluded labels of a campaign by reason, the most frequent first."""
    labels = workspace.ledger.find("labels", workspace.own, ["key", "status", "reason"])
    excluded = excluded_labels(workspace.ledger, workspace.own)
    counts = Counter(
        excluded[label["key"]]["reason"] if label["key"] in excluded else label["reason"]
        for label in labels
        if label["status"] == "rejected" or label["key"] in excluded
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def extract_files(workspace: Workspace, labels: Sequence[JsonDocument], target: Path) -> list[Path]:
    """Extract inputs and logs of labels, each into a folder named by its key."""
    stored = [label for label in labels if label.get("files")]
    if not stored:
        raise InputError(
            f"none of the {len(labels)} matching labels has inputs and logs: methods that run in the process of the "
            "job, and structures rejected before the calculation, have none"
        )
    written = []
    for label in stored:
        archive = workspace.artifacts.get(ArtifactRef.model_validate(label["files"]))
        written += unpack_archive(archive.read_bytes(), file_in(target, label["key"], "label"))
    return written


def retry_rejected(settings: Settings, name: str, reasons: Sequence[str]) -> int:
    """Remove labels rejected for given reasons from the ledger, so that a resume recomputes them; return their number.

    A failure with the reason ``retried`` stays in the ledger. Datasets and potentials are made again if a label is
    accepted now.

    Raises
    ------
    InputError
        No label was rejected for one of the reasons, or recomputing cannot change the outcome.
    """
    for reason in reasons:
        if reason in (*LEFT_OUT, *NEVER_COMPUTED):
            raise InputError(
                f"--retry-rejected {reason}: recomputing gives the same label. Hint: leave this reason out"
            )
    with open_workspace(settings, name, read_only=True) as workspace:
        counts = count_by_reason(workspace)
    unknown = [reason for reason in reasons if reason not in counts]
    if unknown:
        reasons_found = ", ".join(f"{reason} ({n})" for reason, n in counts.items()) or "none"
        raise InputError(
            f"--retry-rejected {', '.join(unknown)}: no label was rejected for this reason; reasons in this campaign: "
            f"{reasons_found}"
        )
    with open_workspace(settings, name) as workspace:
        chosen = workspace.own | {"status": "rejected", "reason": {"$in": list(reasons)}}
        keys = [label["key"] for label in workspace.ledger.find("labels", chosen, ["key"])]
        for key in keys:
            workspace.ledger.invalidate("labels", key, RETRIED)
    return len(keys)


@dataclass(frozen=True)
class DocumentQuery:
    """Selection of documents of a campaign.

    All filters, such as ``status=rejected``, must match. ``-`` before a field sorts in descending order; default: oldest
    first. No limit is 0. ``rejected`` selects the labels excluded from every dataset: by a gate on the label alone, or
    by comparison with other labels. ``all_campaigns`` adds what only other campaigns of the database use.
    """

    kind: str
    filters: Sequence[str] = ()
    sort: Sequence[str] = ()
    limit: int = 0
    rejected: bool = False
    all_campaigns: bool = False


def query_campaign(
    settings: Settings, name: str, request: DocumentQuery, fields: Sequence[str] | None, output: str
) -> str:
    """Return documents as a table, JSON (complete documents unless fields are given) or CSV.

    Raises
    ------
    InputError
        Unknown kind, field or format, malformed filter, or ``rejected`` with another kind than labels.
    """
    if output not in WRITERS:
        raise InputError(f"--output {output}: unknown format. Hint: choose one of {', '.join(WRITERS)}")
    _check(settings, request, fields or ())
    if request.rejected:
        columns: Sequence[str] | None = fields or (None if output == "json" else REJECTED_FIELDS)
    else:
        columns = fields or (None if output == "json" else _default_fields(request.kind))
    with open_workspace(settings, name, read_only=True) as workspace:
        rows = _matches(workspace, request, columns)
    if not rows:
        return f"no {request.kind} match" if output == "table" else WRITERS[output](rows)
    if request.rejected and output == "table":
        return to_table(rows, REJECTED_WIDTH)
    return WRITERS[output](rows)


def _default_fields(kind: str) -> list[str] | None:
    return DEFAULT_FIELDS.get(kind, PART_FIELDS if kind in part_classes() else None)


def count_documents(settings: Settings, name: str, request: DocumentQuery) -> int:
    """Return the number of matching documents, counted by the store."""
    _check(settings, request)
    with open_workspace(settings, name, read_only=True) as workspace:
        if not request.rejected:
            return count(workspace.ledger, request.kind, request.filters, _users(workspace, request))
        others, criteria, _ = _rejected(workspace, request)
        return len(query(workspace.ledger, request.kind, others, ["key"], criteria=criteria))


def extract_label_files(settings: Settings, name: str, request: DocumentQuery, target: Path) -> list[Path]:
    """Extract inputs and logs of the labels that a query matches; return the written files."""
    if request.kind != "labels":
        raise InputError(
            f"--files: inputs and logs are stored for labels only, not for {request.kind}. Hint: leave out --files"
        )
    _check(settings, request)
    with open_workspace(settings, name, read_only=True) as workspace:
        return extract_files(workspace, _matches(workspace, request, ["key", "files"]), target)


def _check(settings: Settings, request: DocumentQuery, fields: Sequence[str] = ()) -> None:
    if request.all_campaigns and not isinstance(settings.store, MongodbSettings):
        raise InputError(
            "--all-campaigns: campaigns under a root have separate ledgers. Hint: query each of them by --campaign"
        )
    if request.kind not in KINDS:
        raise InputError(f"unknown kind {request.kind!r}. Hint: choose one of {', '.join(KINDS)}")
    sorted_by = list(parse_sort(request.sort) or {})
    check_fields(request.kind, [*fields_of(request.filters), *sorted_by, *fields])
    if not request.rejected:
        return
    if request.kind != "labels":
        raise InputError(f"--rejected is valid for labels only, not for {request.kind}. Hint: leave it out")
    if {"reason", "explanation"} & set(sorted_by):
        raise InputError(
            f"--rejected --sort {','.join(request.sort)}: labels cannot be sorted by the reason of their exclusion. "
            "Hint: sort by another field, or filter by one reason"
        )


def _matches(workspace: Workspace, request: DocumentQuery, fields: Sequence[str] | None) -> list[JsonDocument]:
    if not request.rejected:
        users = _users(workspace, request)
        return query(workspace.ledger, request.kind, request.filters, fields, request.limit, request.sort, users)
    others, criteria, excluded = _rejected(workspace, request)
    needed = None if fields is None else [*fields, "key"]
    found = query(workspace.ledger, request.kind, others, needed, request.limit, request.sort, criteria)
    labels = [label | excluded.get(label["key"], {}) for label in found]
    return labels if fields is None else [{field: label.get(field) for field in fields} for label in labels]


def _rejected(workspace: Workspace, request: DocumentQuery) -> tuple[list[str], JsonDocument, dict[str, Exclusion]]:
    """Return filters of labels, a MongoDB criterion for rejected or excluded labels, and reasons of the latter."""
    of_reason = [text for text in request.filters if fields_of([text]) == ["reason"]]
    others = [text for text in request.filters if text not in of_reason]
    # the reason of an exclusion from a dataset is stored in the failures, not in the label
    excluded = excluded_labels(workspace.ledger, _users(workspace, request), parse_filters(of_reason))
    own = {"status": "rejected"} | parse_filters(of_reason)
    criteria = {"$or": [own, {"key": {"$in": list(excluded)}}]}
    users = _users(workspace, request)
    return others, {"$and": [criteria, users]} if users else criteria, excluded


def _users(workspace: Workspace, request: DocumentQuery) -> JsonDocument:
    return {} if request.all_campaigns else workspace.own


def json_schema(kind: str) -> JsonDocument:
    """Return the JSON schema of stored documents of a kind, with the fields that the ledger adds.

    Raises
    ------
    InputError
        The kind has no schema.
    """
    if kind not in document_kinds():
        raise InputError(f"unknown kind {kind!r}; kinds are {', '.join(document_kinds())}")
    found = document_schema(kind).model_json_schema(mode="serialization")
    added = {name: {"type": "string"} for name in LEDGER_FIELDS} | {
        "used_by": {"type": "array", "items": {"type": "string"}}
    }
    found["properties"] = added | found["properties"]
    return found
