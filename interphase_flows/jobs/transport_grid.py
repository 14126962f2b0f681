"""Job that fits and interpolates all cells of a transport grid."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jobflow import job

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.analysis.pipeline.results import runs_to_average
from interphase_flows.analysis.profiles.interface_profiles import NM3_PER_ANGSTROM3
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.analysis.transport.composition_grid.grid_analysis import (
    InterphaseProfile,
    analyse_transport_grid,
)
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.cell_transport import line_and_rest
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc
from interphase_flows.schemas.transport import CellTransportDoc, TransportGridDoc
from interphase_flows.storage.workspace import current_workspace

KIND = "transport_grids"
METHOD_VERSION = 1
"""Version of the method in the content key: a larger number recomputes results of older versions."""
LAST_PART = 0.25
"""Fraction of production, at its end, whose mean composition profile represents the interphase."""


@dataclass
class GridFitMaker(JobMaker):
    """Fit all cells against temperature, interpolate between compositions, and evaluate along the interphase."""

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    structure_files: dict[str, str] = field(default_factory=dict)
    name: str = "transport_grid"

    @job(output_schema=TransportGridDoc)
    def make(
        self, cells: Sequence[CellTransportDoc | None], interphase: InterfaceAnalysisDoc | None
    ) -> TransportGridDoc:
        """Return the grid, along the composition profile of the analysis if there is one.

        Cells of failed jobs are None. Parts without enough data record why they are unavailable.
        """
        line, _ = line_and_rest(self.electrode, self.electrolyte, self.structure_files)
        available = [cell for cell in cells if cell is not None]
        n_missing = len(cells) - len(available)
        key = content_key(
            KIND,
            version=METHOD_VERSION,
            electrode=line.electrode,
            electrolyte=line.electrolyte,
            temperature_K=self.temperature_K,
            cells=[cell.key for cell in available],
            n_missing=n_missing,
            interphase=None if interphase is None else interphase.key,
        )

        def compute() -> TransportGridDoc:
            if not available:
                raise AnalysisError(f"no cell of the transport grid was measured. Hint: {query_command('failures')}")
            result, arrays = analyse_transport_grid(
                [cell.result for cell in available], line, self.temperature_K, _profile(interphase)
            )
            return TransportGridDoc(
                key=key,
                input_keys=[*(cell.key for cell in available), *([interphase.key] if interphase else [])],
                result=result,
                artifact=current_workspace().artifacts.put_arrays(arrays, "analyses"),
                notes=[f"{n_missing} runs of the transport grid have no result: interphase query failures"]
                if n_missing
                else [],
            )

        return cached(KIND, key, TransportGridDoc, compute)


def _profile(analysis: InterfaceAnalysisDoc | None) -> InterphaseProfile | None:
    """Return the composition profile of the last part of production, averaged over replicas of the first interface."""
    if analysis is None or analysis.artifact is None or "profiles" not in analysis.documents:
        return None
    runs = runs_to_average(dict(sorted(analysis.trajectories.items())), analysis.analysis_settings.temperature_K)
    with open_npz(current_workspace().artifacts.get(analysis.artifact)) as arrays:
        shapes = {run: arrays[name].shape for run in runs if (name := f"{run}/profiles.atoms_per_nm3") in arrays}
        runs = [run for run, shape in shapes.items() if shape == next(iter(shapes.values()))]
        if not runs:
            return None
        edges, block_ps = (arrays[f"{runs[0]}/profiles.{name}"] for name in ("edges_angstrom", "block_ps"))
        last = block_ps[:, 1] > (1.0 - LAST_PART) * block_ps[-1, 1]
        # slices are fractions of a cell that may change
        period = np.mean([arrays[f"{run}/profiles.block_period_angstrom"][last] for run in runs])
        density = mean_over_replicas(
            [arrays[f"{run}/profiles.atoms_per_nm3"][last].mean(axis=0) * NM3_PER_ANGSTROM3 for run in runs]
        )
    known = bool(np.isfinite(density.standard_error).all())
    return InterphaseProfile(
        elements=tuple(analysis.trajectories[runs[0]].elements),
        bin_edges_angstrom=edges * (period / edges[-1]),
        density_per_angstrom3=density.value,
        density_error=density.standard_error if known else None,
        description=f"mean over {block_ps[last][0, 0]:.3g} to {block_ps[-1, 1]:.3g} ps",
    )
