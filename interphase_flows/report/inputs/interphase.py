"""Inputs of a report on the interphase: production runs, averages over replicas, structures and thermodynamics."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.growth.results import GrowthResult
from interphase_flows.analysis.pipeline.results import TrajectorySummary, runs_to_average
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.results import TransportGridResult
from interphase_flows.exceptions import AnalysisError
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.thermodynamics import ThermodynamicsDoc
from interphase_flows.structures.anions import molecular_bonds_angstrom
from interphase_flows.thermodynamics.predicted_phases import PhaseComparison
from interphase_flows.thermodynamics.results import Kink, KinkUncertainty

FloatArray = NDArray[np.floating]

BOND_STRETCH = 1.06
"""Longest bond that is drawn, relative to the crystal at rest."""


@dataclass(frozen=True)
class ProductionRun:
    """A production run: its segments in order."""

    segments: Sequence[SegmentDoc]
    n_segments: int = 1
    """Number of segments of a complete run; fewer have results if the job of one failed."""

    @property
    def name(self) -> str:
        """Identifier of the run."""
        return self.segments[0].run_id

    @property
    def time_ps(self) -> float:
        """Length of the run."""
        return self.segments[-1].last_step * self.segments[-1].timestep_fs / 1000.0

    @property
    def is_complete(self) -> bool:
        """Whether the run reached its last step."""
        return len(self.segments) >= self.n_segments and all(
            segment.stop_reason == "finished" for segment in self.segments
        )

    @property
    def uncertainty_time_ps(self) -> FloatArray:
        """Times at which the committee was evaluated."""
        steps = np.array([step for s in self.segments for step in s.uncertainty_steps], dtype=float)
        return steps * self.segments[0].timestep_fs / 1000.0

    @property
    def uncertainty_eV_per_angstrom(self) -> FloatArray:
        """Largest standard deviation of a force over the committee at these times."""
        return np.array([u for s in self.segments for u in s.uncertainty_eV_per_angstrom])

    @cached_property
    def temperature_K(self) -> tuple[float, float]:
        """Mean and standard deviation (fluctuation) of the temperature after equilibration; NaN if not measured."""
        return self._pooled("temperature_mean_K", "temperature_std_K")

    @cached_property
    def normal_stress_GPa(self) -> tuple[float, float]:
        """Mean and its standard error of the normal stress after equilibration; NaN at constant volume."""
        mean, _ = self._pooled("normal_stress_mean_GPa", "normal_stress_std_GPa")
        parts = [
            (s.n_temperatures, s.normal_stress_standard_error_GPa)
            for s in self.segments
            if s.normal_stress_standard_error_GPa is not None
        ]
        if not parts:
            return mean, float("nan")
        weights, errors = np.array(parts).T
        return mean, float(np.linalg.norm(weights * errors) / weights.sum())

    @property
    def pressure_target_GPa(self) -> float | None:
        """External pressure; None at constant volume."""
        return self.segments[0].pressure_target_GPa

    def _pooled(self, mean_name: str, std_name: str) -> tuple[float, float]:
        """Return mean and standard deviation over the evaluations of all segments."""
        parts = [
            (s.n_temperatures, mean, std)
            for s in self.segments
            if (mean := getattr(s, mean_name)) is not None and (std := getattr(s, std_name)) is not None
        ]
        if not parts:
            return float("nan"), float("nan")
        weights, means, spreads = (np.array(column, dtype=float) for column in zip(*parts, strict=True))
        mean = float(np.average(means, weights=weights))
        return mean, float(np.sqrt(np.average(spreads**2 + (means - mean) ** 2, weights=weights)))


@dataclass(frozen=True)
class SeriesBand:
    """Curves against time: means over replicas with their intervals."""

    time_ps: FloatArray
    """(n_times,)."""
    names: Sequence[str]
    """Of the curves."""
    curves: Estimate
    """(n_times, n_curves); bounds and standard errors are NaN for one replica."""
    n_replicas: int = 1

    def __post_init__(self) -> None:
        if np.shape(self.curves.value) != (len(self.time_ps), len(self.names)):
            raise AnalysisError(
                f"curves of shape {np.shape(self.curves.value)} for {len(self.time_ps)} times and "
                f"{len(self.names)} names. Hint: pass (n_times, n_curves)"
            )


@dataclass(frozen=True)
class CompositionProfile:
    """Number densities along the interface normal by block of time, averaged over replicas."""

    elements: Sequence[str]
    edges_angstrom: FloatArray
    """(n_slices + 1,), heights of the edges of the slices in the first frame."""
    block_period_angstrom: FloatArray
    """(n_blocks,), mean height of the cell, of which slices are fixed fractions."""
    block_ps: FloatArray
    """(n_blocks, 2), begin and end of each block."""
    atoms_per_nm3: Estimate
    """(n_blocks, n_elements, n_slices); bounds and standard errors are NaN for one replica."""
    n_replicas: int


@dataclass(frozen=True)
class StructureView:
    """A structure to be shown."""

    title: str
    symbols: Sequence[str]
    positions: FloatArray
    """(n_atoms, 3), Å."""
    cell: FloatArray
    """(3, 3), Å, rows are vectors."""
    from_electrode: NDArray[np.bool_] | None = None
    """(n_atoms,): atoms that began in the electrode; they have their own colour."""

    @property
    def bonds_angstrom(self) -> Mapping[tuple[str, str], float]:
        """Longest bond to draw by pair of elements, Å: bonds of anions and rings, stretched by thermal motion."""
        bonds = molecular_bonds_angstrom(self.symbols)
        return {pair: BOND_STRETCH * length for pair, length in bonds.items()}


@dataclass(frozen=True)
class Thermodynamics:
    """The predicted reactions, and their comparison with the simulation."""

    document: ThermodynamicsDoc
    missing_phases: Sequence[str] = ()
    """Known phases without an energy."""
    x_electrode: float | None = None
    """Fraction of the atoms of the cell that began in the electrode."""
    comparison: Sequence[PhaseComparison] = ()
    """Environments predicted at that share and found in the simulation."""

    @property
    def kinks(self) -> list[tuple[Kink, KinkUncertainty | None]]:
        """Points of the mixing line where the products change, by fraction of the electrode, with their uncertainty."""
        result = self.document.prediction
        errors = {each.reaction: each for each in result.errors.kinks} if result.errors else {}
        kinks = sorted(result.kinks, key=lambda kink: kink.x_electrode)
        return [(kink, errors.get(kink.reaction)) for kink in kinks]

    @property
    def geometries(self) -> str:
        """Method and cells of the geometries, if another method computed the energies."""
        document = self.document
        if document.geometry_methods == document.energy_methods:
            return ""
        cells = {"fixed": "published cells", "relaxed": "relaxed cells"}
        return ", ".join([*document.geometry_methods, *(cells[cell] for cell in document.cells)])


@dataclass(frozen=True)
class InterfaceResults:
    """Interface analyses of the production runs, and their averages."""

    runs: Mapping[str, Mapping[str, Result | Unavailable]]
    """Results of the parts, by run."""
    averages: Mapping[str, Result | Unavailable]
    """Averages over replicas, by part."""
    arrays: Mapping[str, FloatArray]
    """Series named ``run/side.quantity``."""
    trajectories: Mapping[str, TrajectorySummary]
    """By run."""
    temperature_K: float

    @property
    def averaged_runs(self) -> list[str]:
        """Runs of one temperature and length, over which averages are taken."""
        return runs_to_average({run: self.trajectories[run] for run in self.runs}, self.temperature_K)

    @property
    def averaged_temperature_K(self) -> float:
        """Temperature of the averaged runs, which may be another one than that of the analysis."""
        known_K = [self.trajectories[run].temperature_K for run in self.averaged_runs]
        return next((each for each in known_K if each is not None), self.temperature_K)

    @property
    def other_runs(self) -> list[str]:
        """Runs at other temperatures, and runs that ended early."""
        return [run for run in self.runs if run not in self.averaged_runs]

    def arrays_of(self, runs: Collection[str]) -> dict[str, FloatArray]:
        """Return the series of some runs."""
        return {name: each for name, each in self.arrays.items() if name.split("/", 1)[0] in runs}

    @property
    def averages_of_several(self) -> Mapping[str, Result | Unavailable]:
        """Averages by part; none of a single run, which they would only repeat."""
        return self.averages if len(self.averaged_runs) > 1 else {}

    def growth_laws(self) -> dict[str, Counter[str]]:
        """Return how many of the averaged runs have each growth law, by side."""
        laws: dict[str, Counter[str]] = {}
        for run in self.averaged_runs:
            growth = self.runs[run].get("growth")
            for side, kinetics in growth.sides.items() if isinstance(growth, GrowthResult) else ():
                law = "unavailable" if isinstance(kinetics, Unavailable) else kinetics.decision.replace("_", " ")
                laws.setdefault(side, Counter())[law] += 1
        return laws


@dataclass(frozen=True)
class TransportGrid:
    """Onsager coefficients of amorphous cells over temperature and composition, and their curves."""

    result: TransportGridResult
    arrays: Mapping[str, FloatArray]
    notes: Sequence[str] = ()
