"""Export datasets, potentials and trajectories of a campaign in common file formats."""

import shutil
from collections.abc import Callable
from pathlib import Path

from ase.io import write

from interphase_flows.exceptions import InputError
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.results import CampaignResults
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.runtime.file_names import file_in
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger_backend import JsonDocument


def export_dataset(results: CampaignResults, target: Path) -> Path:
    """Copy the newest dataset to an extxyz file with energy, forces, stress, origin, split and label key."""
    return _copy(results.artifacts.get(results.dataset().artifact), target)


def export_committee(results: CampaignResults, target: Path) -> list[Path]:
    """Copy the NequIP checkpoints of the newest committee to a folder, one per member."""
    return [
        _copy(results.artifacts.get(model.checkpoint), target / f"member-{model.member}.ckpt")
        for model in results.committee().models
    ]


def export_trajectories(results: CampaignResults, target: Path) -> list[Path]:
    """Write each production run to an extxyz file with unwrapped positions and times in fs."""
    result = results.result
    criteria: JsonDocument = (
        # of one committee: a campaign whose file was changed has production runs of both
        {"role": "production", "committee_key": results.iteration().committee_key}
        if result is None
        else {"key": result.production_keys}
    )
    runs: dict[str, list[Path]] = {}
    for segment in results.segments(sort="first_step", **criteria):
        if segment.trajectory is not None:
            runs.setdefault(segment.run_id, []).append(results.artifacts.get(segment.trajectory))
    if not runs:
        raise InputError(f"campaign {results.campaign} has no production trajectory yet")
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for run_id, paths in sorted(runs.items()):
        path = file_in(target, f"{run_id}.extxyz", "run")
        with RunFrames(paths) as frames:
            write_extxyz(frames, path)
        written.append(path)
    return written


def write_extxyz(frames: RunFrames, path: Path) -> None:
    """Write a run as extended XYZ, one frame at a time, each with its cell."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for index in range(frames.n_frames):
            write(file, frames.atoms(index), format="extxyz")


def _copy(source: Path, target: Path) -> Path:
    if target.is_dir():
        raise InputError(f"{target} is a folder. Hint: give the name of a file")
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def export_result(settings: Settings, name: str, what: str, target: Path) -> list[Path]:
    """Export ``dataset``, ``models`` or ``trajectories`` of a campaign; return the written files."""
    exports: dict[str, Callable[[CampaignResults, Path], list[Path]]] = {
        "dataset": lambda results, path: [export_dataset(results, path)],
        "models": export_committee,
        "trajectories": export_trajectories,
    }
    if what not in exports:
        raise InputError(f"{what!r} cannot be exported. Hint: choose one of {', '.join(exports)}")
    with CampaignResults(name, settings) as results:
        return exports[what](results, target)
