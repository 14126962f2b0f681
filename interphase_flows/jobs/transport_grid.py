"""The job that puts all cells of a transport grid together."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jobflow import Maker, job

from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.study import (
    CellMeasurement,
    ProfileOfInterphase,
    grid_study,
)
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.cell_transport import line_and_rest
from interphase_flows.schemas.analysis import AnalysisDoc
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
    def make(self, cells: Sequence[AnalysisDoc | None], interphase: AnalysisDoc | None) -> AnalysisDoc:
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


def _profile(interphase: AnalysisDoc | None) -> ProfileOfInterphase | None:
    """Return the mean profile of the last part of production."""
    if interphase is None or interphase.artifact is None:
        return None
    with np.load(current_workspace().artifacts.get(interphase.artifact)) as arrays:
        time_ps, density, error = (arrays[name] for name in ("time_ps", "density", "density_standard_error"))
        elements = tuple(str(symbol) for symbol in arrays["elements"])
        edges = arrays["bin_edges_angstrom"]
    last = slice(int(np.floor((1.0 - LAST_PART) * len(time_ps))), None)
    # frames of a run are correlated: averaging over them takes nothing off the error
    known = bool(np.isfinite(error).all())
    return ProfileOfInterphase(
        elements=elements,
        bin_edges_angstrom=edges,
        density_per_angstrom3=density[last].mean(axis=0),
        density_error=error[last].mean(axis=0) if known else None,
        told=f"mean over {time_ps[last][0]:.3g} to {time_ps[-1]:.3g} ps",
    )
