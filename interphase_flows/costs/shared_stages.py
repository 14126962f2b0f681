"""Stages that a planned campaign does not compute, because another campaign under its root has their results."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.stored import stored_specification
from interphase_flows.costs.stages import (
    COMPILATION,
    EXPLORATION,
    INITIAL_DYNAMICS,
    INITIAL_LABELS,
    LOOP_LABELS,
    PHASES,
    PRETRAINING,
    TRAINING,
    PlannedStage,
)
from interphase_flows.datasets.readers import label_files
from interphase_flows.exceptions import InterphaseError
from interphase_flows.reference.registry import reference_method
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, campaign_names, open_workspace

BEFORE_PRODUCTION = (
    INITIAL_DYNAMICS,
    INITIAL_LABELS,
    COMPILATION,
    PRETRAINING,
    TRAINING,
    EXPLORATION,
    LOOP_LABELS,
    PHASES,
)
WITHOUT_EFFECT = {"name", "description", "production", "transport_grid", "analysis"}
"""Keys of the campaign file that change no result before production."""


def campaign_with_its_loop(campaign: Campaign, settings: Settings) -> str | None:
    """Return a campaign under the same root, or in the same database, whose finished loop this campaign would reuse.

    The files of both are equal but for production and analysis, the files that they name have not changed since, and
    the labels are by the same version of the method. None if there is none, or if the database cannot be read.
    """
    wanted = campaign.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    try:
        names = campaign_names(settings)
    except InterphaseError:
        return None
    for name in names:
        try:
            with open_workspace(settings, name, read_only=True) as workspace:
                if _has_its_loop(workspace, campaign, wanted):
                    return name
        except (InterphaseError, OSError):  # an unreadable campaign or file must not prevent a plan
            continue
    return None


def _has_its_loop(workspace: Workspace, campaign: Campaign, wanted: dict[str, object]) -> bool:
    ledger = workspace.ledger
    state = ledger.get("campaigns", workspace.campaign)
    if not state or not ledger.count("iterations", workspace.own | {"decision": {"$ne": "continue"}}):
        return False
    if stored_specification(state).model_dump(mode="json", exclude=WITHOUT_EFFECT) != wanted:
        return False
    method_key = reference_method(campaign.reference, workspace.settings).identity.key
    return ledger.count("labels", workspace.own | {"method_key": method_key}) > 0 and not _changed_since(
        campaign, datetime.fromisoformat(state["started_at"])
    )


def _changed_since(campaign: Campaign, start: datetime) -> bool:
    """Return whether a file that the campaign names was modified after a time.

    Raises
    ------
    InputError
        A file is missing.
    """
    named: list[Path] = []

    def noted(path: str) -> str:
        named.append(Path(path))
        return path

    campaign.with_files(noted)
    files = [file for path in named for file, _ in label_files(path)]
    return any(file.stat().st_mtime > start.timestamp() for file in files)


def without_shared(stages: Sequence[PlannedStage], name: str) -> list[PlannedStage]:
    """Return the stages of a plan, those before production without the cost that the campaign ``name`` has paid."""
    return [
        replace(stage, amount=f"{stage.amount}; finished in {name}", cost_s=0.0, n_labels=0, disk_GB=0.0, memory_GB=0.0)
        if stage.stage in BEFORE_PRODUCTION
        else stage
        for stage in stages
    ]
