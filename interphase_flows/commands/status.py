"""Status of a campaign, read from its ledger without importing torch or jobflow."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass

from interphase_flows.campaign.stored import stored_specification
from interphase_flows.commands.queries import count_by_reason
from interphase_flows.exceptions import InputError, StructureError
from interphase_flows.report import REPORT_NAME
from interphase_flows.runners.campaign_records import (
    PROGRESS_FILE,
    RUNNING,
    SUBMITTED,
    Progress,
    missing_analyses,
    status_of_result,
)
from interphase_flows.runtime.local_workers import default_workers
from interphase_flows.schemas.campaign import CampaignRecord
from interphase_flows.schemas.kinds import document_kinds
from interphase_flows.schemas.segment import Role
from interphase_flows.settings import Settings
from interphase_flows.storage.failures import FailureGroup, failure_groups
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.lock import LockHolder, lock_holder
from interphase_flows.storage.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from interphase_flows.costs.budget import RemainingLabels
    from interphase_flows.costs.throughput import Pace
    from interphase_flows.costs.time_left import TimeLeft
    from interphase_flows.runners.fireworks.states import ClusterStatus

_PROGRESS = TypeAdapter(Progress)

ACTIVE_STATUSES = (RUNNING, SUBMITTED)
HELD_BY_LPAD = "held by lpad"
PAUSED_STATUSES = ("paused", "on hold", HELD_BY_LPAD)
"""Statuses in which jobs start only after a manual resume."""


@validated_dataclass(frozen=True, config={"strict": True})
class IterationStatus:
    """One point of the learning curve: mean absolute errors on held-out interface frames."""

    index: int
    n_labels: int
    force_mae_meV_per_angstrom: float
    energy_mae_meV_per_atom: float
    decision: str


@dataclass(frozen=True)
class CampaignStatus:
    """State of a campaign.

    ``remaining_labels``, ``pace`` and ``time_left`` are None once there is a result, or if a structure of the plan cannot
    be built; ``cluster`` if the campaign was not submitted to FireWorks.
    """

    name: str
    status: str
    running: str | None
    started_at: str
    outcome: str | None
    progress: Progress | None
    documents: dict[str, int]
    labels_shared: int
    """Labels that other campaigns have computed."""
    labels_rejected: int
    labels_rejected_by_reason: dict[str, int]
    remaining_labels: "RemainingLabels | None"
    pace: "Pace | None"
    time_left: "TimeLeft | None"
    missing: list[str]
    failures: int
    iterations: list[IterationStatus]
    report: str | None
    cluster: "ClusterStatus | None" = None
    failure_groups: list[FailureGroup] = field(default_factory=list)
    """The recorded failures, equal ones as one group."""
    notes: list[str] = field(default_factory=list)
    """Notes of the newest committee, such as why its potentials are not compiled."""

    @property
    def has_ended(self) -> bool:
        """Whether no job runs or will start without an action of the user."""
        if self.status in (*ACTIVE_STATUSES, *PAUSED_STATUSES):
            return False
        return self.cluster is None or not (self.cluster.n_running or self.cluster.will_be_retried)

    def as_json(self) -> str:
        """Return the status as JSON."""
        return json.dumps(asdict(self), indent=2)


def campaign_status(settings: Settings, name: str) -> CampaignStatus:
    """Read the status of a campaign that may be running in another process."""
    with open_workspace(settings, name, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", name)
        if state is None:
            raise InputError(f"{workspace.root}: no campaign was started in this folder. Hint: interphase run FILE")
        CampaignRecord.model_validate(state, strict=True)
        status, holder, cluster = current_state(workspace, state)
        report = workspace.report_folder / REPORT_NAME
        own = workspace.own
        rejected = count_by_reason(workspace)
        # before the documents are counted: others add labels meanwhile, and none is removed
        pace = labels = left = None
        notes = _notes_of_committee(workspace)
        if not state.get("result"):
            try:
                pace, labels = _pace(workspace, state, status), _remaining_labels(workspace, state)
                left = _time_left(workspace, state, labels)
            except StructureError as error:  # a campaign continues without an interface that cannot be built
                notes.append(f"the time left is unknown: {error}")
        return CampaignStatus(
            name=name,
            status=status,
            running=str(holder) if holder else None,
            started_at=state["started_at"],
            outcome=(state.get("result") or {}).get("outcome"),
            progress=_progress(workspace),
            documents={kind: workspace.ledger.count(kind, own) for kind in document_kinds()},
            labels_shared=workspace.ledger.count("labels", own | {"campaign": {"$ne": name}}),
            labels_rejected=sum(rejected.values()),
            labels_rejected_by_reason=rejected,
            remaining_labels=labels,
            pace=pace,
            time_left=left,
            missing=[*missing_analyses(state), *missing_structures(workspace)],
            failures=workspace.ledger.count("failures", own),
            iterations=_iterations(workspace, state.get("result")),
            failure_groups=failure_groups(workspace.ledger, own),
            report=str(report) if report.exists() else None,
            cluster=cluster,
            notes=notes,
        )


class CurrentState(NamedTuple):
    """What a campaign is doing: its status, the process that runs it here, and its jobs in FireWorks."""

    status: str
    holder: LockHolder | None
    cluster: "ClusterStatus | None"


def current_state(workspace: Workspace, state: JsonDocument) -> CurrentState:
    """Return the state of a campaign from its document, its lock and its jobs."""
    holder = lock_holder(workspace.root)
    status = state["status"]
    # with MongoDB it may run on another machine, in another folder
    if status == "running" and holder is None and workspace.is_here:
        status = "interrupted"
    cluster = None
    if status == SUBMITTED:
        from interphase_flows.runners.fireworks.states import cluster_status  # slow import

        cluster = cluster_status(workspace.settings, workspace.campaign)
        status = _status_by_jobs(cluster, state)
    return CurrentState(status, holder, cluster)


def _status_by_jobs(cluster: "ClusterStatus", state: JsonDocument) -> str:
    """Return the status of a submitted campaign from the states of its jobs."""
    if cluster.hold and (cluster.n_open or cluster.hold.state == "cancelled"):
        return cluster.hold.state
    if cluster.n_open:
        return "running" if any(row["running"] for row in cluster.jobs.values()) else SUBMITTED
    if state.get("result") is None:
        return HELD_BY_LPAD if cluster.held_by_lpad and not cluster.n_failed else "failed"
    return status_of_result(state)


def missing_structures(workspace: Workspace) -> list[str]:
    """Return the kinds of initial structures that are missing because their generator failed."""
    sets = workspace.ledger.find(
        "structure_sets",
        workspace.own | {"name": "initial structures"},
        ["notes"],
        sort={"created_at": -1},
        limit=1,
    )
    notes = [note for latest in sets for note in latest["notes"]]
    return [note.removeprefix("missing: ") for note in notes if note.startswith("missing: ")]


def _notes_of_committee(workspace: Workspace) -> list[str]:
    newest = workspace.ledger.find("committees", workspace.own, ["notes"], sort={"created_at": -1}, limit=1)
    return [note for committee in newest for note in committee["notes"]]


def _iterations(workspace: Workspace, result: JsonDocument | None) -> list[IterationStatus]:
    fields = ["index", "n_labels_total", "errors", "decision"]
    criteria = workspace.own if result is None else {"key": {"$in": result["iteration_keys"]}}
    lines = {}
    for document in workspace.ledger.find("iterations", criteria, fields):
        errors = document["errors"].get("interface") or document["errors"]["test"]
        lines[document["index"]] = IterationStatus(
            index=document["index"],
            n_labels=document["n_labels_total"],
            force_mae_meV_per_angstrom=errors["forces_mae_meV_per_angstrom"],
            energy_mae_meV_per_atom=errors["energy_mae_meV_per_atom"],
            decision=document["decision"],
        )
    return [lines[index] for index in sorted(lines)]


def _progress(workspace: Workspace) -> Progress | None:
    try:
        return _PROGRESS.validate_json((workspace.root / PROGRESS_FILE).read_bytes())
    except (OSError, ValidationError):  # missing, unreadable or damaged; the next job writes it again
        return None


def _remaining_labels(workspace: Workspace, state: JsonDocument) -> "RemainingLabels":
    from interphase_flows.costs.budget import remaining_labels  # slow import, not for finished campaigns

    return remaining_labels(workspace, stored_specification(state))


def _time_left(workspace: Workspace, state: JsonDocument, labels: "RemainingLabels") -> "TimeLeft":
    """Return the time left; with jobs in FireWorks, whose workers come and go, that of one worker."""
    from interphase_flows.costs.machine_speed import stored_speed
    from interphase_flows.costs.time_left import time_left

    campaign, settings = stored_specification(state), workspace.settings
    progress = _progress(workspace)
    if state["status"] == SUBMITTED:
        n_workers = 1
    elif state["status"] == RUNNING and progress is not None:
        n_workers = max(1, len(progress.get("workers", {})))
    else:
        n_workers = default_workers(settings)
    running = running_steps(progress) if state["status"] == RUNNING and progress is not None else {}
    return time_left(workspace, campaign, labels, n_workers, stored_speed(campaign, settings), running)


def running_steps(progress: Progress) -> dict[str, int]:
    """Return the steps of segments that are running, by the role of their runs, which begins the name of a stage."""
    found: Counter[str] = Counter()
    for each in progress.get("workers", {}).values() or [progress]:
        role = each["stage"].partition(" ")[0]
        if role in get_args(Role):
            found[role] += each["done"]
    return dict(found)


def _pace(workspace: Workspace, state: JsonDocument, status: str) -> "Pace":
    from interphase_flows.costs.throughput import campaign_pace

    stopped_because = None if status in ACTIVE_STATUSES else f"the campaign is {status}"
    return campaign_pace(workspace, stored_specification(state), state["started_at"], stopped_because)
