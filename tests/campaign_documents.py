"""Documents of a campaign, for comparisons of two runs."""

from pathlib import Path
from typing import Any

from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace

# fields that depend on the course of a run but not on its result; checkpoints of training hold times
INCIDENTAL = {"created_at", "wall_time_s", "resumed_from_epoch", "notes", "first_checkpoint", "_id"}


def documents(root: Path, kind: str, campaign: str = "tiny") -> dict[str, dict[str, Any]]:
    with open_workspace(load_settings(root=root), campaign, read_only=True) as workspace:
        return {d["key"]: d for d in workspace.ledger.find(kind)}


def results(root: Path, kind: str) -> dict[str, dict[str, Any]]:
    return {key: essence(document) for key, document in documents(root, kind).items()}


def essence(value: Any) -> Any:
    """Return a document or value without incidental fields."""
    if isinstance(value, dict):
        return {k: essence(v) for k, v in value.items() if k not in INCIDENTAL}
    return [essence(v) for v in value] if isinstance(value, list) else value
