"""Labels excluded from training: list them, extract their files, and recompute them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from interphase_flows.datasets.gates import LEFT_OUT, NEVER_COMPUTED
from interphase_flows.exceptions import InputError
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import Settings
from interphase_flows.storage.archive import unpack_archive
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument
from interphase_flows.storage.workspace import Workspace, open_workspace

RETRIED = "retried"
"""Reason under which the failure of a recomputed label stays in the ledger."""


class Exclusion(TypedDict):
    """Why a data set excluded an accepted label."""

    reason: str
    explanation: str | None


def excluded_labels(ledger: Ledger, criteria: Criteria | None = None) -> dict[str, Exclusion]:
    """Return the accepted labels that a data set excluded, by key; ``criteria`` filters their failures (MongoDB)."""
    own = {"failed_kind": "labels", "reason": {"$in": list(LEFT_OUT)}}
    failures = ledger.find("failures", {"$and": [own, criteria]} if criteria else own)
    return {
        failure["failed_key"]: {
            "reason": failure["reason"],
            "explanation": failure["details"].get("explanation"),
        }
        for failure in failures
    }


def count_by_reason(workspace: Workspace) -> dict[str, int]:
    """Return the numbers of rejected and excluded labels of a campaign by reason, the most frequent first."""
    labels = workspace.ledger.find("labels", {"campaign": workspace.campaign}, ["key", "status", "reason"])
    excluded = excluded_labels(workspace.ledger)
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
        written += unpack_archive(archive.read_bytes(), target / label["key"])
    return written


def retry_rejected(settings: Settings, name: str, reasons: Sequence[str]) -> int:
    """Remove labels rejected for given reasons from the ledger, so that a resume recomputes them; return their number.

    A failure with the reason ``retried`` stays in the ledger. Data sets and potentials are made again if a label is
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
        chosen = {"campaign": name, "status": "rejected", "reason": {"$in": list(reasons)}}
        keys = [label["key"] for label in workspace.ledger.find("labels", chosen, ["key"])]
        for key in keys:
            workspace.ledger.invalidate("labels", key, RETRIED)
    return len(keys)
