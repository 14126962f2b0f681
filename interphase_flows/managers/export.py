"""Take results out of a campaign, in formats that other programs read."""

import shutil
from collections.abc import Callable
from pathlib import Path

from ase.io import write

from interphase_flows.documents.records import (
    CampaignResult,
    CommitteeDoc,
    DatasetDoc,
    IterationDoc,
    SegmentDoc,
)
from interphase_flows.exceptions import InputError
from interphase_flows.md.run_frames import RunFrames
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace


def latest_iteration(workspace: Workspace) -> IterationDoc:
    """Return the newest iteration of a campaign; of a finished one, that of its result.

    Raises
    ------
    InputError
        There is none yet.
    """
    result = _result(workspace)
    if result is not None:
        key = result.iteration_keys[-1]
    else:
        # by time, not by index: a campaign that was changed has iterations of both its files
        found = workspace.ledger.find(
            "iterations", {"campaign": workspace.campaign}, ["key"], sort={"created_at": -1}, limit=1
        )
        key = found[0]["key"] if found else ""
    document = workspace.ledger.get_as("iterations", key, IterationDoc)
    if document is None:
        raise InputError(
            f"campaign {workspace.campaign} has no iteration yet: its first committee is not trained"
        )
    return document


def export_dataset(workspace: Workspace, target: Path) -> Path:
    """Copy the newest data set as one extxyz file: energy, forces, stress, origin, split, label key."""
    dataset = workspace.ledger.get_as("datasets", latest_iteration(workspace).dataset_key, DatasetDoc)
    if dataset is None:
        raise InputError(f"campaign {workspace.campaign}: its data set is not in the ledger; resume it")
    return _copy(workspace.artifacts.get(dataset.artifact), target)


def export_committee(workspace: Workspace, target: Path) -> list[Path]:
    """Copy the newest committee's NequIP checkpoints into a folder, one per member."""
    committee = workspace.ledger.get_as("committees", latest_iteration(workspace).committee_key, CommitteeDoc)
    if committee is None:
        raise InputError(f"campaign {workspace.campaign}: its committee is not in the ledger; resume it")
    return [
        _copy(workspace.artifacts.get(model.checkpoint), target / f"member-{model.member}.ckpt")
        for model in committee.models
    ]


def export_trajectories(workspace: Workspace, target: Path) -> list[Path]:
    """Write every production run as extxyz, unwrapped, with its time in fs."""
    result = _result(workspace)
    criteria: dict[str, object] = (
        # one committee: a campaign that was changed has production of both its files
        {"role": "production", "committee_key": latest_iteration(workspace).committee_key}
        if result is None
        else {"key": {"$in": result.production_keys}}
    )
    runs: dict[str, list[SegmentDoc]] = {}
    for stored in workspace.ledger.find("segments", criteria, ["key"], sort={"first_step": 1}):
        segment = workspace.ledger.get_as("segments", stored["key"], SegmentDoc)
        if segment is not None and segment.trajectory is not None:
            runs.setdefault(segment.run_id, []).append(segment)
    if not runs:
        raise InputError(f"campaign {workspace.campaign} has no production trajectory yet")
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for run_id, segments in sorted(runs.items()):
        paths = [workspace.artifacts.get(s.trajectory) for s in segments if s.trajectory is not None]
        path = target / f"{run_id}.extxyz"
        with RunFrames(paths) as frames:
            write(path, [frames.atoms(index) for index in range(frames.n_frames)], format="extxyz")
        written.append(path)
    return written


def _result(workspace: Workspace) -> CampaignResult | None:
    state = workspace.ledger.get("campaigns", workspace.campaign) or {}
    return CampaignResult.model_validate(state["result"]) if "result" in state else None


def _copy(source: Path, target: Path) -> Path:
    if target.is_dir():
        raise InputError(f"{target} is a folder: name a file in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def export_result(settings: Settings, name: str, what: str, target: Path) -> list[Path]:
    """Export what is named: ``dataset``, ``models`` or ``trajectories``.

    Raises
    ------
    InputError
        There is no such export, or it does not exist yet.
    """
    exports: dict[str, Callable[[Workspace, Path], list[Path]]] = {
        "dataset": lambda workspace, path: [export_dataset(workspace, path)],
        "models": export_committee,
        "trajectories": export_trajectories,
    }
    if what not in exports:
        raise InputError(f"{what!r} cannot be exported; choose one of {', '.join(exports)}")
    with open_workspace(settings, name, read_only=True) as workspace:
        return exports[what](workspace, target)
