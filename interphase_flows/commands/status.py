"""What a campaign has done and is doing, without loading anything heavy."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.rejections import count_by_reason
from interphase_flows.exceptions import InputError
from interphase_flows.runners.campaign_records import PROGRESS_FILE, SUBMITTED, missing_answers
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.lock import lock_holder
from interphase_flows.storage.workspace import Workspace, campaign_names, open_workspace

if TYPE_CHECKING:
    from interphase_flows.costs.budget import LabelsToCome
    from interphase_flows.costs.throughput import Pace
    from interphase_flows.runners.fireworks.states import ClusterStatus

COUNTED = (
    "structure_sets",
    "labels",
    "datasets",
    "models",
    "committees",
    "segments",
    "iterations",
    "analyses",
)
GOES_ON = ("running", SUBMITTED)
HELD = ("paused", "on hold")
"""Statuses of campaigns of which a person, and nobody else, lets the next job start."""


@dataclass(frozen=True)
class IterationStatus:
    """One line of the learning curve: errors in meV/Å and meV/atom on held-out interface frames."""

    index: int
    n_labels: int
    force_mae_meV_per_angstrom: float
    energy_mae_meV_per_atom: float
    decision: str


@dataclass(frozen=True)
class CampaignStatus:
    """Where a campaign stands.

    ``labels_to_come`` and ``pace`` are None once there is a result; ``cluster`` unless it was submitted to FireWorks.
    """

    name: str
    status: str
    running: str | None
    started_at: str
    outcome: str | None
    progress: dict[str, Any] | None
    documents: dict[str, int]
    labels_rejected: int
    labels_rejected_by_reason: dict[str, int]
    labels_to_come: "LabelsToCome | None"
    pace: "Pace | None"
    missing: list[str]
    failures: int
    iterations: list[IterationStatus]
    report: str | None
    cluster: "ClusterStatus | None" = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it goes on, or will before a person does something about it."""
        if self.status in (*GOES_ON, *HELD):
            return False
        return self.cluster is None or not (self.cluster.n_running or self.cluster.tried_again)

    def as_json(self) -> str:
        """Return the status for a script."""
        return json.dumps(asdict(self), indent=2)


def only_campaign(settings: Settings) -> str:
    """Return the name of the campaign under the root, or in the database, if there is exactly one.

    Raises
    ------
    InputError
        There is none or there are several; lists them.
    """
    names = campaign_names(settings)
    if len(names) != 1:
        there = (
            f"there are {len(names)} campaigns ({', '.join(names)}): name one"
            if names
            else "there is no campaign"
        )
        where, other = (
            (f"database {settings.store.database!r}", "another database by store.database in the settings")
            if isinstance(settings.store, MongodbSettings)
            else (settings.root, "another folder is given by --root")
        )
        raise InputError(f"{where}: {there}; {other}")
    return names[0]


def campaign_status(settings: Settings, name: str) -> CampaignStatus:
    """Read the status of a campaign that may be running in another process."""
    with open_workspace(settings, name, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", name)
        if state is None:
            raise InputError(f"{workspace.root} holds no campaign document; run its campaign file")
        holder = lock_holder(workspace.root)
        status = state["status"]
        # with MongoDB it may run on another machine, which has a folder of its own
        if status == "running" and holder is None and workspace.is_here:
            status = "interrupted"
        cluster = None
        if status == SUBMITTED:
            from interphase_flows.runners.fireworks.states import (
                cluster_status,  # not for those on one machine
            )

            cluster = cluster_status(settings, name)
            status = _status_by_jobs(cluster, state)
        report = workspace.report_folder / "report.html"
        own = {"campaign": name}  # a ledger in MongoDB is shared
        rejected = count_by_reason(workspace)
        return CampaignStatus(
            name=name,
            status=status,
            running=str(holder) if holder else None,
            started_at=state["started_at"],
            outcome=(state.get("result") or {}).get("outcome"),
            progress=_progress(workspace),
            documents={kind: workspace.ledger.count(kind, own) for kind in COUNTED},
            labels_rejected=sum(rejected.values()),
            labels_rejected_by_reason=rejected,
            labels_to_come=None if state.get("result") else _labels_to_come(workspace, state),
            pace=None if state.get("result") else _pace(workspace, state, status),
            missing=[*missing_answers(state), *missing_structures(workspace)],
            failures=workspace.ledger.count("failures", own),
            iterations=_iterations(workspace, state.get("result")),
            report=str(report) if report.exists() else None,
            cluster=cluster,
        )


def _status_by_jobs(cluster: "ClusterStatus", state: Mapping[str, Any]) -> str:
    """Return what the jobs of a submitted campaign make of it."""
    if cluster.hold and (cluster.n_open or cluster.hold.state == "cancelled"):
        return cluster.hold.state
    if cluster.n_open:
        return "running" if any(row["running"] for row in cluster.jobs.values()) else SUBMITTED
    if state.get("result") is None:
        return "failed"
    return "incomplete" if missing_answers(state) else "finished"


def missing_structures(workspace: Workspace) -> list[str]:
    """Return what the first structures lack because a generator failed; the last set tells."""
    sets = workspace.ledger.find(
        "structure_sets",
        {"campaign": workspace.campaign, "name": "initial structures"},
        ["notes"],
        sort={"created_at": -1},
        limit=1,
    )
    return [
        note.removeprefix("missing: ")
        for each in sets
        for note in each["notes"]
        if note.startswith("missing: ")
    ]


def _iterations(workspace: Workspace, result: dict[str, Any] | None) -> list[IterationStatus]:
    fields = ["index", "n_labels_total", "errors", "decision"]
    # in a shared database another campaign may have computed them first; a result names them
    mine = {"campaign": workspace.campaign} if result is None else {"key": {"$in": result["iteration_keys"]}}
    lines = {}
    for document in workspace.ledger.find("iterations", mine, fields):
        errors = document["errors"].get("interface") or document["errors"]["test"]
        lines[document["index"]] = IterationStatus(
            index=document["index"],
            n_labels=document["n_labels_total"],
            force_mae_meV_per_angstrom=errors["forces_mae_meV_per_angstrom"],
            energy_mae_meV_per_atom=errors["energy_mae_meV_per_atom"],
            decision=document["decision"],
        )
    return [lines[index] for index in sorted(lines)]


def _progress(workspace: Workspace) -> dict[str, Any] | None:
    path = workspace.root / PROGRESS_FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return found


def _labels_to_come(workspace: Workspace, state: Mapping[str, Any]) -> "LabelsToCome | None":
    from interphase_flows.costs.budget import (
        labels_to_come,  # a finished campaign does not wait for it
    )

    return labels_to_come(workspace, Campaign.model_validate(state["spec"]))


def _pace(workspace: Workspace, state: Mapping[str, Any], status: str) -> "Pace":
    from interphase_flows.costs.throughput import campaign_pace  # as above

    stands_still = None if status in GOES_ON else f"the campaign is {status}"
    return campaign_pace(workspace, state["started_at"], stands_still)
