"""Records of a campaign in the ledger: its specification, its status, and the analyses that its result lacks."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from typing_extensions import TypedDict  # pydantic validates no other before Python 3.12

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.stored import stored_specification
from interphase_flows.exceptions import InputError
from interphase_flows.schemas.ordering import OrderingRecord
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace, open_workspace

PROGRESS_FILE = "progress.json"

RUNNING = "running"
SUBMITTED = "submitted"
"""Status of a campaign whose jobs are in FireWorks; its progress follows from their states."""
WALLTIME_REACHED = "walltime reached"
"""Status of a campaign that stopped at its checkpoints before the walltime."""

REQUIRED_ANALYSES = ("thermodynamics", "learning_curve", "interface_analysis", "production_audit")
"""Analyses of every campaign."""
OPTIONAL_ANALYSES = ("transport_grid",)
"""Analyses that run only if the campaign file has the block."""


class WorkerProgress(TypedDict):
    """Latest progress of a worker process; ``job`` is empty while it is idle."""

    job: str
    stage: str
    done: int
    total: int
    detail: str


class Progress(TypedDict):
    """Latest progress of a campaign on this machine, as stored in ``progress.json``."""

    stage: str
    done: int
    total: int
    detail: str
    jobs: int
    at: str
    workers: dict[str, WorkerProgress]
    """By number; empty if jobs run in the process of the command."""


def missing_analyses(state: JsonDocument) -> list[str]:
    """Return the analyses that the result of a campaign lacks because they failed; ``state`` is its document."""
    result, spec = state.get("result"), state.get("spec") or {}
    if result is None:
        return []
    wanted = [*REQUIRED_ANALYSES, *(name for name in OPTIONAL_ANALYSES if spec.get(name))]
    is_generated = (spec.get("initial_labels") or {}).get("label_generated_structures", True)
    if is_generated and spec.get("structures", {}).get("equations_of_state", {}).get("n_volumes"):
        wanted.append("equations_of_state")
    return [name for name in wanted if name not in result["analysis_keys"]]


def status_of_result(state: JsonDocument) -> str:
    """Return the status of a campaign that has a result; ``state`` is its document."""
    return "incomplete" if missing_analyses(state) else "finished"


def stored_campaign(settings: Settings, name: str) -> Campaign:
    """Return the specification with which a campaign was last started.

    Raises
    ------
    StorageError
        There is no such campaign; the message lists the existing ones.
    InputError
        The folder of the campaign exists, but no campaign was started in it.
    """
    with open_workspace(settings, name, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", name)
    if state is None:
        raise InputError(f"{settings.root / name}: no campaign was started in this folder. Hint: interphase run FILE")
    return stored_specification(state)


def register_campaign(workspace: Workspace, campaign: Campaign, accept_changes: bool, status: str = RUNNING) -> None:
    """Store the specification of a campaign, or check that it is the one stored by an earlier start.

    A restart keeps ``started_at``, counts ``n_resumes`` and drops the earlier result.

    Raises
    ------
    InputError
        A campaign of this name was started with another specification, and ``accept_changes`` is false.
    """
    spec = campaign.model_dump(mode="json")
    before = workspace.ledger.get("campaigns", campaign.name)
    state = {"spec": spec, "status": status, "started_at": now(), "settings": _public(workspace.settings)}
    if ordered := ((before or {}).get("orderings", {}) | ordering_records(campaign)):
        state["orderings"] = {name: record for name, record in ordered.items() if name in campaign.ordering}
    if before is not None:
        changed = changed_keys(_with_defaults(before["spec"]), spec)
        if changed and not accept_changes:
            raise InputError(
                f"campaign {campaign.name!r} in {workspace.root} was started with other values of "
                f"{', '.join(changed)}. Hint: choose another name, or continue with the new values by "
                "--accept-changes (labels and models that are still valid are reused)"
            )
        state["started_at"] = before.get("started_at", state["started_at"])
        state["n_resumes"] = before.get("n_resumes", 0) + 1
        if "worker_usage" in before:
            state["worker_usage"] = before["worker_usage"]
    workspace.ledger.set_state("campaigns", campaign.name, state)


def ordering_records(campaign: Campaign) -> dict[str, JsonDocument]:
    """Return the records of the structures that the block `ordering` ordered, by phase; those that exist."""
    records = {}
    for name in campaign.ordering:
        path = Path(campaign.structure_files[name]).with_suffix(".json")
        with contextlib.suppress(OSError, ValidationError):
            records[name] = OrderingRecord.model_validate_json(path.read_bytes()).model_dump(mode="json")
    return records


def set_status(workspace: Workspace, status: str) -> None:
    """Store the status with which a run of a campaign ended, and the time."""
    state = workspace.ledger.get("campaigns", workspace.campaign) or {}
    workspace.ledger.set_state("campaigns", workspace.campaign, state | {"status": status, "ended_at": now()})


def add_worker_usage(workspace: Workspace, wall_s: float, busy_s: float) -> None:
    """Add the time of worker processes, and the part of it that they ran jobs, to that of earlier runs."""
    state = workspace.ledger.get("campaigns", workspace.campaign) or {}
    before = state.get("worker_usage", {"wall_s": 0.0, "busy_s": 0.0})
    usage = {"wall_s": before["wall_s"] + wall_s, "busy_s": before["busy_s"] + busy_s}
    workspace.ledger.set_state("campaigns", workspace.campaign, state | {"worker_usage": usage})


def now() -> str:
    """Return the time as ISO 8601, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def changed_keys(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the dotted paths of the keys in which two specifications differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            changed
            for key in sorted(before.keys() | after.keys())
            for changed in changed_keys(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if json.dumps(before) == json.dumps(after) else [path]


def _with_defaults(spec: JsonDocument) -> JsonDocument:
    """Add the defaults of keys that the schema gained since the specification was stored."""
    try:
        return Campaign.model_validate(spec).model_dump(mode="json")
    except ValidationError:
        return spec  # obsolete keys: report the specification as changed


def _public(settings: Settings) -> JsonDocument:
    """Return the settings that may be stored: no host, no user, no secret."""
    return {"store": settings.store.type, "n_threads": settings.n_threads, "device": settings.device}
