"""What the pages show: campaigns with their state, figures of the learning so far, rejected labels."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from matplotlib.figure import Figure

from interphase_flows.commands.queries import REJECTED_FIELDS, DocumentQuery, query_campaign
from interphase_flows.commands.status import current_state
from interphase_flows.exceptions import InterphaseError
from interphase_flows.report import REPORT_NAME
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.collect.labelling import reference_labels
from interphase_flows.report.collect.learning import iteration_errors
from interphase_flows.report.figures.calibration import calibration
from interphase_flows.report.figures.learning import learning_curve, uncertainty
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.figures.training import training_curves
from interphase_flows.report.inputs.campaign import ReferenceLabels
from interphase_flows.report.inputs.interphase import ProductionRun
from interphase_flows.report.inputs.learning import IterationErrors
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace, campaign_names, open_workspace

MOST_RUNS = 8
"""Runs whose uncertainty is drawn, the newest."""
MOST_REJECTED = 50
REPORT_FIGURES = ("answer", "anions", "traces", "structure_after")
"""Figures of the report that the page of a campaign repeats."""

_drawing = Lock()  # the style of matplotlib is global, requests have threads


@dataclass(frozen=True)
class CampaignRow:
    """A campaign in the list of all."""

    name: str
    status: str
    started_at: str = ""
    n_iterations: int = 0
    n_labels: int = 0
    """Accepted and rejected."""
    n_rejected: int = 0
    n_failures: int = 0


def campaign_rows(settings: Settings) -> list[CampaignRow]:
    """Return the campaigns under the root or in the database; one that cannot be read has the error as its status.

    Raises
    ------
    StorageError
        The database does not respond.
    """
    rows = []
    for name in campaign_names(settings):
        try:
            with open_workspace(settings, name, read_only=True) as workspace:
                rows.append(_row(workspace))
        except InterphaseError as error:
            rows.append(CampaignRow(name, f"cannot be read: {error}"))
    return rows


def _row(workspace: Workspace) -> CampaignRow:
    state = workspace.ledger.get("campaigns", workspace.campaign)
    if state is None:
        return CampaignRow(workspace.campaign, "not started")

    def count(kind: str, **criteria: str) -> int:
        return workspace.ledger.count(kind, {"$and": [workspace.own, criteria]} if criteria else workspace.own)

    return CampaignRow(
        name=workspace.campaign,
        status=current_state(workspace, state).status,
        started_at=str(state["started_at"]),
        n_iterations=count("iterations"),
        n_labels=count("labels"),
        n_rejected=count("labels", status="rejected"),
        n_failures=workspace.ledger.count("failures", {"campaign": workspace.campaign}),
    )


@dataclass(frozen=True)
class LearningInputs:
    """Inputs of the figures of active learning."""

    iterations: Sequence[IterationErrors]
    runs: Sequence[ProductionRun]
    """Production, or before it the newest runs of the exploration."""
    committee: CommitteeDoc | None
    reference: ReferenceLabels


FIGURES: dict[str, tuple[str, Callable[[LearningInputs], Figure | None]]] = {
    "learning_curve": ("Errors against the number of labels", lambda x: learning_curve(x.iterations, x.reference)),
    "training": ("Loss and force error against the epoch", lambda x: training_curves(x.iterations)),
    "uncertainty": ("Force uncertainty of the newest runs", lambda x: _uncertainty(x)),
    "calibration": ("Force errors against the uncertainty", lambda x: calibration(x.iterations)),
}


def learning_figures(settings: Settings, name: str) -> list[FigureFile]:
    """Draw the available figures of active learning.

    Raises
    ------
    InterphaseError
        The campaign does not exist, or its documents are damaged.
    """
    with open_workspace(settings, name, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", name)
        if state is None:
            return []
        inputs = _learning_inputs(workspace, state)
    with _drawing:
        drawn = {each: (alt, draw(inputs)) for each, (alt, draw) in FIGURES.items()}
        return [rendered(figure, each, alt) for each, (alt, figure) in drawn.items() if figure is not None]


def _learning_inputs(workspace: Workspace, state: JsonDocument) -> LearningInputs:
    documents = CampaignDocuments(workspace, state)
    segments = list(documents.production) or _newest_segments(workspace)
    newest = list(dict.fromkeys(s.run_id for s in segments))[-MOST_RUNS:]
    committee = documents.committee(segments[-1].committee_key) if segments else None
    return LearningInputs(
        iterations=iteration_errors(documents, Citations()),
        runs=[ProductionRun([s for s in segments if s.run_id == run]) for run in newest],
        committee=committee,
        reference=reference_labels(documents.spec.reference, documents.dataset),
    )


def _newest_segments(workspace: Workspace) -> list[SegmentDoc]:
    """Return the segments of the newest runs, oldest first."""
    found = workspace.ledger.find("segments", workspace.own, ["key", "run_id"])
    newest = set(list(dict.fromkeys(each["run_id"] for each in reversed(found)))[:MOST_RUNS])
    keys = [each["key"] for each in found if each["run_id"] in newest]
    documents = [workspace.ledger.get_as("segments", key, SegmentDoc) for key in keys]
    return [each for each in documents if each is not None]


def _uncertainty(inputs: LearningInputs) -> Figure | None:
    figure = uncertainty(inputs.runs, inputs.committee)
    if figure is not None and inputs.runs[0].segments[0].role != "production":
        figure.axes[0].set_title("Force uncertainty of the committee in the newest runs (×: the run was stopped)")
    return figure


def rejected_labels(settings: Settings, name: str) -> list[dict[str, object]]:
    """Return the newest rejected labels with reason and explanation."""
    request = DocumentQuery("labels", sort=["-created_at"], limit=MOST_REJECTED, rejected=True)
    found: list[dict[str, object]] = json.loads(query_campaign(settings, name, request, REJECTED_FIELDS, "json"))
    return found


def report_files(settings: Settings, name: str) -> tuple[Path, list[str]]:
    """Return the folder of the report, and the figures of it that the page shows; none without a report."""
    folder = Workspace(settings, name, read_only=True).report_folder
    if not (folder / REPORT_NAME).is_file():
        return folder, []
    return folder, [each for each in REPORT_FIGURES if (folder / "figures" / f"{each}.svg").is_file()]
