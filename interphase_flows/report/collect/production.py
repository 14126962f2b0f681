"""What a report says of production: its runs, its first and last structure, curves of the interphase."""

from collections.abc import Mapping, Sequence

import numpy as np

from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.inputs import Replica, SeriesBand, StructureView
from interphase_flows.schemas.segment import SegmentDoc


def replicas(documents: CampaignDocuments, cited: Citations) -> list[Replica]:
    """Return the production runs."""
    committee = documents.committee(documents.result.committee_key) if documents.result else None
    result = []
    for run_id in sorted({s.run_id for s in documents.production}):
        segments = [s for s in documents.production if s.run_id == run_id]
        cited.cite(
            f"replica {run_id}",
            "segments",
            segments[-1].key,
            _hash(segments[-1]),
            segments[-1].stop_reason,
        )
        temperature_K, spread_K = _pooled_temperature(segments)
        steps = np.array([step for s in segments for step in s.uncertainty_steps], dtype=float)
        result.append(
            Replica(
                name=run_id,
                seed=segments[0].seed,
                steps=sum(s.n_steps for s in segments),
                time_ps=segments[-1].last_step * segments[-1].timestep_fs / 1000.0,
                temperature_mean_K=temperature_K,
                temperature_std_K=spread_K,
                survived=all(s.stop_reason == "finished" for s in segments),
                stop_reason=segments[-1].stop_reason,
                uncertainty_time_ps=steps * segments[0].timestep_fs / 1000.0,
                uncertainty_eV_per_angstrom=np.array(
                    [u for s in segments for u in s.uncertainty_eV_per_angstrom]
                ),
                select_eV_per_angstrom=committee.select_force_std_eV_per_angstrom if committee else None,
                stop_eV_per_angstrom=committee.stop_force_std_eV_per_angstrom if committee else None,
            )
        )
    if documents.production:
        cited.cite("production", "committees", documents.production[0].committee_key)
    return result


def band(arrays: Mapping[str, np.ndarray], prefix: str, time: str) -> SeriesBand | None:
    """Return curves against time over replicas, None without production.

    Parameters
    ----------
    arrays
        Series of all runs, named ``run/name``.
    prefix, time
        Beginning of the names of the curves, and name of their times.
    """
    runs = sorted({key.split("/", 1)[0] for key in arrays if key.endswith(f"/{time}")})
    if not runs:
        return None
    names = [key.split("/", 1)[1] for key in arrays if key.startswith(f"{runs[0]}/{prefix}")]
    n_frames = min(len(arrays[f"{run}/{time}"]) for run in runs)
    table = np.array([[arrays[f"{run}/{name}"][:n_frames] for name in names] for run in runs])
    found = mean_over_replicas(list(table))
    return SeriesBand(
        time_ps=arrays[f"{runs[0]}/{time}"][:n_frames],
        names=[name.removeprefix(prefix) for name in names],
        mean=found.value.T,
        standard_error=found.standard_error.T,
        minimum=table.min(axis=0).T,
        maximum=table.max(axis=0).T,
        n_replicas=len(runs),
    )


def views(documents: CampaignDocuments) -> tuple[StructureView | None, StructureView | None]:
    """Return the first and the last frame of the first run that has any."""
    first = next((s.run_id for s in documents.production if s.trajectory is not None), None)
    if first is None:
        return None, None
    paths = [
        documents.workspace.artifacts.get(s.trajectory)
        for s in documents.production
        if s.run_id == first and s.trajectory
    ]
    with RunFrames(paths) as frames:
        from ase import Atoms

        symbols = list(Atoms(numbers=frames.numbers).symbols)
        from_electrode = None if frames.side is None else np.asarray(frames.side) == 0
        found = []
        for index in (0, frames.n_frames - 1):
            cell = frames.cell(index)
            fractions = np.linalg.solve(cell.T, frames.positions(index).T).T % 1.0
            found.append(
                StructureView(
                    title=f"{first} at {frames.time_fs[index] / 1000:.2f} ps",
                    symbols=symbols,
                    positions=fractions @ cell,
                    cell=cell,
                    from_electrode=from_electrode,
                )
            )
    return found[0], found[1]


def _hash(segment: SegmentDoc) -> str:
    return segment.trajectory.sha256 if segment.trajectory else ""


def _pooled_temperature(segments: Sequence[SegmentDoc]) -> tuple[float, float]:
    """Return mean and standard deviation over all looks after the equilibration, in K."""
    parts = [
        (s.n_temperatures, s.temperature_mean_K, s.temperature_std_K)
        for s in segments
        if s.temperature_mean_K is not None and s.temperature_std_K is not None
    ]
    if not parts:
        return float("nan"), float("nan")
    weights, means, spreads = (np.array(column, dtype=float) for column in zip(*parts, strict=True))
    mean = float(np.average(means, weights=weights))
    return mean, float(np.sqrt(np.average(spreads**2 + (means - mean) ** 2, weights=weights)))
