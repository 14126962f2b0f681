"""Production runs, their first and last structures, and curves of the interphase over replicas."""

from collections.abc import Collection, Mapping
from functools import reduce

import numpy as np
from ase.symbols import Symbols

from interphase_flows.analysis.profiles.results import ProfilesResult
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.inputs.interphase import (
    CompositionProfile,
    InterfaceResults,
    ProductionRun,
    SeriesBand,
    StructureView,
)
from interphase_flows.schemas.potential_errors import ProductionAuditDoc

MOST_VIEWS = 16
"""Frames of a run that the time slider of the report shows."""


def production_runs(documents: CampaignDocuments, cited: Citations) -> list[ProductionRun]:
    """Return the production runs by name."""
    runs = []
    for run_id in sorted({s.run_id for s in documents.production}):
        segments = [s for s in documents.production if s.run_id == run_id]
        last = segments[-1]
        artifact = last.trajectory.sha256 if last.trajectory else ""
        cited.cite(f"replica {run_id}", "segments", last.key, artifact, last.stop_reason.replace("_", " "))
        runs.append(ProductionRun(segments, documents.spec.production.n_segments))
    if documents.production:
        cited.cite("production", "committees", documents.production[0].committee_key)
    return runs


def band_over_replicas(arrays: Mapping[str, np.ndarray], prefix: str, time: str) -> SeriesBand | None:
    """Return curves against time, averaged over the replicas that have the curves of the first one.

    The times are those that all of them have: a series may begin late, where no boundary is found before, or end early.
    None if there are no curves or no such times.

    Parameters
    ----------
    arrays
        Series of all runs, named ``run/name``.
    prefix, time
        Common prefix of the names of the curves, and name of their times.
    """
    runs = sorted({key.split("/", 1)[0] for key in arrays if key.endswith(f"/{time}")})
    names = [key.split("/", 1)[1] for key in arrays if runs and key.startswith(f"{runs[0]}/{prefix}")]
    if not names:
        return None
    alike = [run for run in runs if all(f"{run}/{name}" in arrays for name in names)]
    time_ps = reduce(np.intersect1d, [arrays[f"{run}/{time}"] for run in alike])
    if not len(time_ps):
        return None
    rows = {run: np.isin(arrays[f"{run}/{time}"], time_ps) for run in alike}
    return SeriesBand(
        time_ps=time_ps,
        names=[name.removeprefix(prefix) for name in names],
        curves=mean_over_replicas(
            [np.stack([arrays[f"{run}/{name}"][rows[run]] for name in names], axis=1) for run in alike]
        ),
        n_replicas=len(alike),
    )


def thickness_over_replicas(arrays: Mapping[str, np.ndarray]) -> dict[str, SeriesBand]:
    """Return the thickness of the interphase (Å) against time by side, averaged over replicas."""
    end = ".thickness_angstrom"
    sides = sorted({key.split("/", 1)[1].removesuffix(end) for key in arrays if key.endswith(end)})
    bands = {side: band_over_replicas(arrays, f"{side}{end}", f"{side}.time_ps") for side in sides}
    return {side: band for side, band in bands.items() if band is not None}


def composition_over_replicas(results: InterfaceResults) -> CompositionProfile | None:
    """Return profiles averaged over the replicas that have the slices and blocks of the first one; None without any."""
    found = {
        run: profiles
        for run in sorted(results.averaged_runs)
        if isinstance(profiles := results.runs[run].get("profiles"), ProfilesResult)
    }
    if not found:
        return None
    first, profiles = next(iter(found.items()))
    block_ps = results.arrays[f"{first}/profiles.block_ps"]
    alike = [run for run, each in found.items() if (each.blocks, each.n_slices) == (profiles.blocks, profiles.n_slices)]
    edges = results.arrays[f"{first}/profiles.edges_angstrom"]
    return CompositionProfile(
        elements=profiles.elements,
        edges_angstrom=edges,
        block_period_angstrom=np.mean(
            [results.arrays[f"{run}/profiles.block_period_angstrom"] for run in alike], axis=0
        ),
        block_ps=block_ps,
        atoms_per_nm3=mean_over_replicas([results.arrays[f"{run}/profiles.atoms_per_nm3"] for run in alike]),
        n_replicas=len(alike),
    )


def audit_of_runs(audit: ProductionAuditDoc, runs: Collection[str]) -> ProductionAuditDoc:
    """Return an audit with means over some runs and notes on the errors of others; the same one if it has none of them.

    Errors grow with temperature, so a mean over runs at several temperatures has no meaning.
    """
    chosen = {origin: each for origin, each in audit.by_replica.items() if origin.name in runs}
    others = {origin.name: each for origin, each in audit.by_replica.items() if origin not in chosen}
    if not chosen or not others:
        return audit
    names = ("forces_mae_meV_per_angstrom", "forces_rmse_meV_per_angstrom", "energy_mae_meV_per_atom")
    notes = [
        f"Errors in production of {run}, which is not averaged: {each.forces_mae_meV_per_angstrom:.0f} meV/Å, "
        f"{each.energy_mae_meV_per_atom:.1f} meV/atom."
        for run, each in others.items()
    ]
    means = {name: mean_over_replicas([getattr(each, name) for each in chosen.values()]) for name in names}
    n_frames = sum(each.n_frames for each in chosen.values())
    return audit.model_copy(update={**means, "n_frames": n_frames, "notes": [*audit.notes, *notes]})


def structure_views(documents: CampaignDocuments) -> list[StructureView]:
    """Return evenly spaced frames of the first run that has a trajectory, with its first and its last one."""
    first = next((s.run_id for s in documents.production if s.trajectory is not None), None)
    if first is None:
        return []
    paths = [
        documents.workspace.artifacts.get(s.trajectory)
        for s in documents.production
        if s.run_id == first and s.trajectory
    ]
    with RunFrames(paths) as frames:
        symbols = list(Symbols(frames.numbers))
        from_electrode = None if frames.side is None else np.asarray(frames.side) == 0
        found = []
        for index in np.linspace(0, frames.n_frames - 1, max(2, min(MOST_VIEWS, frames.n_frames)), dtype=int):
            cell = frames.cell(index)
            fractions = np.linalg.solve(cell.T, frames.positions(index).T).T % 1.0
            title = f"{first} at {frames.time_fs[index] / 1000:.2f} ps"
            found.append(StructureView(title, symbols, fractions @ cell, cell, from_electrode))
    return found
