"""What a report says of production: its runs, its first and last structure, curves of the interphase."""

from collections.abc import Mapping, Sequence

import numpy as np

from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.collect.inputs import CompositionProfile, Replica, SeriesBand, StructureView
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


def profile(arrays: Mapping[str, np.ndarray], n_replicas: int) -> CompositionProfile | None:
    """Return the composition along the normal, None without production."""
    if not arrays:
        return None
    return CompositionProfile(
        time_ps=arrays["time_ps"],
        bin_edges_angstrom=arrays["bin_edges_angstrom"],
        elements=[str(e) for e in arrays["elements"]],
        density_per_angstrom3=arrays["density"],
        n_replicas=n_replicas,
        standard_error_per_angstrom3=arrays["density_standard_error"],
    )


def band(
    arrays: Mapping[str, np.ndarray], n_replicas: int, name: str, labels: str, time: str
) -> SeriesBand | None:
    """Return curves against time, None without production."""
    if not arrays:
        return None
    return SeriesBand(
        time_ps=arrays[time],
        names=[str(label) for label in arrays[labels]],
        mean=arrays[name],
        standard_error=arrays[f"{name}_standard_error"],
        minimum=arrays[f"{name}_minimum"],
        maximum=arrays[f"{name}_maximum"],
        n_replicas=n_replicas,
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
