"""The job that puts all cells of a transport grid together."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jobflow import Maker, job

from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.profiles.interface_profiles import NM3_PER_ANGSTROM3
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.analysis.transport.composition_grid.study import (
    CellMeasurement,
    ProfileOfInterphase,
    grid_study,
)
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.cell_transport import line_and_rest
from interphase_flows.schemas.analysis import AnalysisDoc, InterfaceAnalysisDoc
from interphase_flows.storage.workspace import current_workspace

KIND = "analyses"
NAME = "transport_grid"
LAST_PART = 0.25
"""Of production, whose mean composition profile stands for the interphase."""


@dataclass
class GridFitMaker(Maker):
    """Fit all cells against temperature, interpolate between compositions, and look up the interphase.

    Parameters
    ----------
    electrode, electrolyte
        Names of the phases at the ends of the line.
    temperature_K
        At which matrices are wanted.
    structure_files
        Files of phases that the package does not have.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    structure_files: dict[str, str] = field(default_factory=dict)
    name: str = NAME

    @job(output_schema=AnalysisDoc)
    def make(
        self, cells: Sequence[AnalysisDoc | None], interphase: InterfaceAnalysisDoc | None
    ) -> AnalysisDoc:
        """Return the grid; what cannot be said is in it, in words.

        Parameters
        ----------
        cells
            What each cell gave at each temperature.
        interphase
            With the composition profile; None without one.
        """
        line, at_rest = line_and_rest(self.electrode, self.electrolyte, self.structure_files)
        there = [cell for cell in cells if cell is not None]
        key = content_key(
            KIND,
            name=NAME,
            electrode=line.electrode,
            electrolyte=line.electrolyte,
            temperature_K=self.temperature_K,
            cells=[cell.key for cell in there],
            n_missing=len(cells) - len(there),
            interphase=None if interphase is None else interphase.key,
        )

        def compute() -> AnalysisDoc:
            if not there:
                raise AnalysisError(
                    "no cell of the transport grid was measured: see interphase query failures"
                )
            species = [symbol for symbol in line.elements if symbol != at_rest]
            study = grid_study(
                [_measurement(cell) for cell in there],
                species,
                at_rest,
                line,
                self.temperature_K,
                _profile(interphase),
            )
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **study.arrays)  # type: ignore[arg-type]
            missing = len(cells) - len(there)
            return AnalysisDoc(
                key=key,
                name=NAME,
                rests_on=[*(cell.key for cell in there), *([interphase.key] if interphase else [])],
                values=plain(study.values),
                artifact=current_workspace().artifacts.put_bytes(buffer.getvalue(), "analyses", ".npz"),
                notes=[f"{missing} runs of the transport grid left nothing: interphase query failures"]
                if missing
                else [],
            )

        return cached(KIND, key, AnalysisDoc, compute)


def _measurement(cell: AnalysisDoc) -> CellMeasurement:
    values: Any = cell.values
    found = values["onsager_per_eV_angstrom_ps"]
    onsager = None
    if found is not None:
        # an upper end that is not finite is stored as none
        onsager = Estimate(
            **{  # type: ignore[arg-type]
                name: np.array([[np.inf if x is None else x for x in row] for row in found[name]])
                for name in ("value", "lower", "upper", "standard_error")
            }
        )
    names = ("run_id", "x_electrode", "temperature_K", "refusal", "n_looks", "n_above_select", "n_above_stop")
    return CellMeasurement(onsager=onsager, **{name: values[name] for name in names})


def _profile(analysis: InterfaceAnalysisDoc | None) -> ProfileOfInterphase | None:
    """Return the composition profile of the last part of production, averaged over replicas."""
    if analysis is None or analysis.artifact is None or "profiles" not in analysis.documents:
        return None
    runs = sorted(analysis.trajectories)
    with np.load(current_workspace().artifacts.get(analysis.artifact)) as arrays:
        runs = [run for run in runs if f"{run}/profiles.atoms_per_nm3" in arrays]
        if not runs:
            return None
        edges, block_ps = (arrays[f"{runs[0]}/profiles.{name}"] for name in ("edges_angstrom", "block_ps"))
        last = block_ps[:, 1] > (1.0 - LAST_PART) * block_ps[-1, 1]
        density = mean_over_replicas(
            [arrays[f"{run}/profiles.atoms_per_nm3"][last].mean(axis=0) * NM3_PER_ANGSTROM3 for run in runs]
        )
    known = bool(np.isfinite(density.standard_error).all())
    return ProfileOfInterphase(
        elements=tuple(analysis.trajectories[runs[0]].elements),
        bin_edges_angstrom=edges,
        density_per_angstrom3=density.value,
        density_error=density.standard_error if known else None,
        told=f"mean over {block_ps[last][0, 0]:.3g} to {block_ps[-1, 1]:.3g} ps",
    )
