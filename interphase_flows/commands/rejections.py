"""Labels that never train: list them, take out what is kept of them, have them computed again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interphase_flows.datasets.gates import LEFT_OUT, NEVER_COMPUTED
from interphase_flows.exceptions import InputError
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import Settings
from interphase_flows.storage.archive import unpack_archive
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.workspace import Workspace, open_workspace

RETRIED = "retried"
"""Reason under which a rejected label that is computed again is kept among the failures."""


def left_out(ledger: Ledger, criteria: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return what was said of accepted labels that a data set did not take, by their keys.

    ``criteria`` is a further filter, of MongoDB, on what was said.
    """
    own = {"failed_kind": "labels", "reason": {"$in": list(LEFT_OUT)}}
    failures = ledger.find("failures", {"$and": [own, criteria]} if criteria else own)
    return {
        failure["failed_key"]: {
            "reason": failure["reason"],
            "explanation": failure["details"].get("explanation"),
        }
        for failure in failures
    }


def only_rejected(ledger: Ledger, labels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of some labels that never train, each with its reason and explanation.

    They need a ``key`` and a ``status``.
    """
    left = left_out(ledger)
    return [
        label | left.get(label["key"], {})
        for label in labels
        if label["status"] == "rejected" or label["key"] in left
    ]


def count_by_reason(workspace: Workspace) -> dict[str, int]:
    """Return how many labels of a campaign never train, by reason, the most frequent first."""
    own = {"campaign": workspace.campaign}
    labels = workspace.ledger.find("labels", own, ["key", "status", "reason"])
    counts = Counter(label["reason"] for label in only_rejected(workspace.ledger, labels))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def take_out_files(workspace: Workspace, labels: Sequence[dict[str, Any]], target: Path) -> list[Path]:
    """Unpack inputs and logs of labels, each into a folder named by its key.

    Raises
    ------
    InputError
        Nothing is kept of any of them.
    """
    kept = [label for label in labels if label.get("files")]
    if not kept:
        raise InputError(
            f"of {len(labels)} labels that match, none has inputs and logs: methods that run in this process, and "
            "structures that were refused before anything was spent on them, leave none"
        )
    written = []
    for label in kept:
        archive = workspace.artifacts.get(ArtifactRef.model_validate(label["files"]))
        written += unpack_archive(archive.read_bytes(), target / label["key"])
    return written


def retry_rejected(settings: Settings, name: str, reasons: Sequence[str]) -> int:
    """Take labels that were rejected for some reasons out of the ledger, so that a resume computes them again.

    Each is kept among the failures with the reason ``retried``.  Data sets, and all that was learned, are made
    again where a label is accepted this time.

    Returns
    -------
    int
        How many.

    Raises
    ------
    InputError
        No label was rejected for one of the reasons, or it is one that computing again cannot change.
    """
    for reason in reasons:
        if reason in (*LEFT_OUT, *NEVER_COMPUTED):
            raise InputError(
                f"--retry-rejected {reason}: computing such a label again changes nothing; leave it out"
            )
    with open_workspace(settings, name, read_only=True) as workspace:
        there = count_by_reason(workspace)
    unknown = [reason for reason in reasons if reason not in there]
    if unknown:
        told = ", ".join(f"{reason} ({n})" for reason, n in there.items()) or "none"
        raise InputError(
            f"--retry-rejected {', '.join(unknown)}: no label was rejected so; there are: {told}"
        )
    with open_workspace(settings, name) as workspace:
        chosen = {"campaign": name, "status": "rejected", "reason": {"$in": list(reasons)}}
        keys = [label["key"] for label in workspace.ledger.find("labels", chosen, ["key"])]
        for key in keys:
            workspace.ledger.invalidate("labels", key, RETRIED)
    return len(keys)
