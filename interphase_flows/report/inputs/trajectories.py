"""Inputs of a report from the frames of production runs: traces, ligands per centre, and the frames of a time slider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class RunTraces:
    """Temperature and energy of every stored frame of a run, and the normal stress of its segments."""

    run: str
    time_ps: FloatArray
    """(n_frames,), as the next two."""
    temperature_K: FloatArray
    """Kinetic."""
    potential_energy_eV_per_atom: FloatArray
    """Of the first member of the committee."""
    temperature_target_K: float
    segment_ps: FloatArray
    """(n_segments, 2), begin and end of the segments whose normal stress is known; none at constant volume."""
    normal_stress_GPa: FloatArray
    """(n_segments,), mean, tension positive; without the equilibration in the first segment."""
    normal_stress_standard_error_GPa: FloatArray
    """(n_segments,); NaN if unknown."""
    pressure_target_GPa: float | None = None
    """External pressure; None at constant volume."""

    def __post_init__(self) -> None:
        if not len(self.time_ps) == len(self.temperature_K) == len(self.potential_energy_eV_per_atom):
            raise AnalysisError(f"traces of {self.run!r} differ in their number of frames")


@dataclass(frozen=True)
class LigandCounts:
    """Numbers of ligands that the centres of anions bind, such as S per P, at the start and at the end."""

    centre: str
    ligand: str
    """Element; several are joined by ``/``."""
    longest_bond_angstrom: float
    fractions: Estimate
    """(2, n_counts), fraction of the centres with 0, 1, ... ligands, in the first and in the last tenth of the runs."""
    n_replicas: int


@dataclass(frozen=True)
class BuiltCell:
    """A cell of production, as it was built."""

    name: str
    formula: str
    n_atoms: int
    details: Mapping[str, float | int | str]
    """Of its construction, as `structures.interfaces` records them."""

    @property
    def faces(self) -> str:
        """Miller indices of electrode and electrolyte."""
        film, substrate = self.details.get("film_miller"), self.details.get("substrate_miller")
        return f"{film} | {substrate}" if film is not None and substrate is not None else "–"

    def number(self, name: str) -> float | None:
        """Return a detail as a number, None if it is not recorded."""
        value = self.details.get(name)
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class TrajectoryInputs:
    """What the frames of production runs show."""

    traces: Sequence[RunTraces] = ()
    ligand_counts: Sequence[LigandCounts] = ()
