"""The job that turns trajectories of production into what is known of the interphase."""

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jobflow import Maker, job

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.phases.electrode_order import bcc_fraction, deep_inside
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.speciation.anion_species import AnionChemistry, environment_series
from interphase_flows.analysis.statistics.replicas import ReplicaBand, over_replicas
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from interphase_flows.campaign.anion_chemistry import anion_chemistry
from interphase_flows.campaign.schema import AnalysisSpec
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import load_crystal

KIND = "analyses"
BCC_DEPTHS_ANGSTROM = (5.0, 4.0, 3.2)
"""Depths tried in turn: a laptop's electrode is a few layers thick."""


@dataclass
class InterphaseMaker(Maker):
    """Measure the interphase in production: profiles, environments, displacement, what is left of the crystal.

    Parameters
    ----------
    spec
        Bin width, and elements and bonds of anions where they are given.
    electrolyte
        Name of the phase whose anions are counted.
    structure_files
        The user's own phases by name.
    """

    name: str = "interphase"
    spec: AnalysisSpec = field(default_factory=AnalysisSpec)
    electrolyte: str = "Li7P3S11"
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=AnalysisDoc)
    def make(self, segments: Sequence[SegmentDoc | None]) -> AnalysisDoc:
        """Reduce every replica, then reduce over replicas: mean, standard error, range."""
        done = [s for s in segments if s is not None]
        chemistry = anion_chemistry(self.spec, load_crystal(self.electrolyte, self.structure_files))
        key = content_key(
            KIND,
            name="interphase",
            bin_width_angstrom=self.spec.bin_width_angstrom,
            chemistry={
                name: sorted(value) if isinstance(value, frozenset) else value
                for name, value in dataclasses.asdict(chemistry).items()
            },
            segments=[s.key for s in done],
        )
        return cached(KIND, key, AnalysisDoc, lambda: self._measure(key, chemistry, done))

    def _measure(self, key: str, chemistry: AnionChemistry, segments: Sequence[SegmentDoc]) -> AnalysisDoc:
        workspace = current_workspace()
        profiles, environments, displacements, bcc_starts, bcc_ends = [], [], [], [], []
        notes: list[str] = []
        run_ids = sorted({s.run_id for s in segments})
        for done, run_id in enumerate(run_ids, start=1):
            paths = [
                workspace.artifacts.get(s.trajectory) for s in segments if s.run_id == run_id and s.trajectory
            ]
            if not paths:
                notes.append(f"{run_id} has no trajectory and is not in the averages")
                continue
            with RunFrames(paths) as frames:
                electrolyte = None if frames.side is None else frames.side == 1
                profiles.append(
                    composition_profile(
                        frames, bin_width_angstrom=self.spec.bin_width_angstrom, reference=electrolyte
                    )
                )
                environments.append(environment_series(frames, chemistry))
                displacements.append(mean_squared_displacement(frames))
                if frames.side is not None:
                    electrode = frames.side == 0
                    bcc_starts.append(_bcc(frames, electrode, 0))
                    bcc_ends.append(_bcc(frames, electrode, frames.n_frames - 1))
            emit("analysis", done, len(run_ids), run_id)
        if not profiles:
            raise AnalysisError(
                "no replica has a frame: no production run was made, or every one broke at once; see "
                "interphase query failures, interphase query segments role=production"
            )
        shortest = min(len(p.time_ps) for p in profiles)
        density = over_replicas([p.density for p in profiles])
        fraction = over_replicas([e.centre_fraction for e in environments])
        msd = over_replicas([d.msd_angstrom2 for d in displacements])
        arrays: dict[str, np.ndarray] = {
            "time_ps": profiles[0].time_ps[:shortest],
            "bin_edges_angstrom": profiles[0].bin_edges_angstrom,
            "elements": np.array(profiles[0].elements),
            "environment_labels": np.array(environments[0].labels),
            "species": np.array(displacements[0].species),
            "displacement_time_ps": displacements[0].time_ps[:shortest],
        }
        for name, band in (("density", density), ("environments", fraction), ("msd", msd)):
            arrays |= _band_arrays(name, band)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        whole = [environments[0].labels.index(name) for name in environments[0].labels[:2]]
        return AnalysisDoc(
            key=key,
            name="interphase",
            rests_on=[s.key for s in segments],
            values={
                "n_replicas": density.n_replicas,
                "time_ps": float(arrays["time_ps"][-1]),
                "whole_unit_fraction_start": float(fraction.mean[0][whole].sum()),
                "whole_unit_fraction_end": float(fraction.mean[-1][whole].sum()),
                "bcc_fraction_start": _estimate(bcc_starts),
                "bcc_fraction_end": _estimate(bcc_ends),
                "msd_end_angstrom2": {
                    name: {
                        "mean": float(msd.mean[-1][i]),
                        "standard_error": _finite(msd.standard_error[-1][i]),
                    }
                    for i, name in enumerate(displacements[0].species)
                },
                "environment_fraction_end": {
                    name: {
                        "mean": float(fraction.mean[-1][i]),
                        "standard_error": _finite(fraction.standard_error[-1][i]),
                    }
                    for i, name in enumerate(environments[0].labels)
                },
            },
            artifact=workspace.artifacts.put_bytes(buffer.getvalue(), "analyses", ".npz"),
            notes=notes,
        )


def _bcc(frames: FrameSource, electrode: np.ndarray, index: int) -> float:
    """Return the bcc-like share of the electrode's inner atoms, as deep as its thickness allows."""
    positions, cell = frames.positions(index), frames.cell(index)
    for depth in BCC_DEPTHS_ANGSTROM:
        inner = deep_inside(positions, cell, electrode, depth_angstrom=depth)
        if inner.any():
            return bcc_fraction(positions, cell, inner)
    return bcc_fraction(positions, cell, electrode)


def _band_arrays(name: str, band: ReplicaBand) -> dict[str, np.ndarray]:
    return {
        name: band.mean,
        f"{name}_standard_error": band.standard_error,
        f"{name}_minimum": band.minimum,
        f"{name}_maximum": band.maximum,
    }


def _estimate(values: Sequence[float]) -> dict[str, float | int | None] | None:
    if not values:
        return None
    band = over_replicas(values)
    return {
        "value": float(band.mean),
        "standard_error": _finite(band.standard_error),
        "n_replicas": band.n_replicas,
    }


def _finite(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return number if np.isfinite(number) else None
