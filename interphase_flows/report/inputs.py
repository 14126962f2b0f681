"""What a report is made of: plain numbers, arrays and words, so that it can be written from documents alone.

Everything optional may be missing; the report then says what is not there. Errors are standard errors over
replicas; ``None`` or nan means that there is no interval, which the report says too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.pipeline.results import TrajectorySummary
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.results import TransportGridResult
from interphase_flows.exceptions import AnalysisError
from interphase_flows.report.collect.labelling_inputs import Labelling
from interphase_flows.report.collect.thermodynamics_inputs import Thermodynamics
from interphase_flows.report.sections.convergence import Convergence
from interphase_flows.structures.anions import molecular_bonds_angstrom

FloatArray = NDArray[np.floating]

STRETCH = 1.06
"""How much longer than in a crystal at rest a bond may be and still be drawn."""

Outcome = Literal["converged", "budget exhausted", "running", "failed"]


@dataclass(frozen=True)
class Question:
    """What was asked, and of which interface."""

    electrode: str
    electrolyte: str
    temperature_K: float
    n_atoms: int
    area_angstrom2: float | None = None
    strain_percent: float | None = None
    """Largest strain that the match put on the electrode."""
    gap_angstrom: float | None = None
    """Gap left between the two slabs when the interface was built."""
    broken_units: int | None = None
    """Anions cut by the surfaces."""
    text: str = ""
    """The question in a sentence."""


@dataclass(frozen=True)
class ReferenceMethod:
    """Where energies and forces of the labels come from."""

    name: str
    is_surrogate: bool
    """True for a method that stands in for DFT, such as CHGNet; the report then never says DFT of it."""
    settings: str = ""
    table: Mapping[str, str] = field(default_factory=dict)
    """Every setting that can change a number, by its key."""

    @property
    def short(self) -> str:
        """How its numbers are called wherever they appear."""
        return f"surrogate {self.name}" if self.is_surrogate else self.name


@dataclass(frozen=True)
class Spending:
    """What the campaign cost."""

    labels_accepted: int
    labels_rejected: Mapping[str, int] = field(default_factory=dict)
    """Reason -> number of labels."""
    wall_time_s: Mapping[str, float] = field(default_factory=dict)
    """Stage -> seconds."""
    atom_steps: float | None = None
    """Atoms times molecular dynamics steps."""


@dataclass(frozen=True)
class ParityData:
    """Predictions against labels that did not train the model."""

    reference_energy_eV_per_atom: FloatArray
    predicted_energy_eV_per_atom: FloatArray
    reference_force_eV_per_angstrom: FloatArray
    """Components, any number of them: a sample is enough."""
    predicted_force_eV_per_angstrom: FloatArray

    def __post_init__(self) -> None:
        for name in ("energy_eV_per_atom", "force_eV_per_angstrom"):
            reference, predicted = (
                np.shape(getattr(self, f"{w}_{name}")) for w in ("reference", "predicted")
            )
            if reference != predicted:
                raise AnalysisError(f"parity data: {name} has shapes {reference} and {predicted}; pair them")


@dataclass(frozen=True)
class Iteration:
    """One turn of the active-learning loop."""

    index: int
    n_train: int
    energy_mae_meV_per_atom: float
    force_mae_meV_per_angstrom: float
    """On held-out frames of the interface."""
    force_rmse_meV_per_angstrom: float
    force_mae_by_origin: Mapping[str, float] = field(default_factory=dict)
    """Origin of the held-out frames -> meV/Å."""
    n_test: int | None = None
    """Held-out frames behind the errors."""
    fraction_above_select: float | None = None
    select_eV_per_angstrom: float | None = None
    stop_eV_per_angstrom: float | None = None
    calibration_rank_correlation: float | None = None
    decision: str = ""
    reason: str = ""
    n_new_labels: int | None = None
    parity: ParityData | None = None


@dataclass(frozen=True)
class Replica:
    """One production run."""

    name: str
    seed: int
    steps: int
    time_ps: float
    temperature_mean_K: float
    temperature_std_K: float
    """Standard deviation over frames (a fluctuation, not an error)."""
    survived: bool
    stop_reason: str
    uncertainty_time_ps: FloatArray = field(default_factory=lambda: np.empty(0))
    uncertainty_eV_per_angstrom: FloatArray = field(default_factory=lambda: np.empty(0))
    """Largest per-atom standard deviation of the committee's forces."""
    select_eV_per_angstrom: float | None = None
    stop_eV_per_angstrom: float | None = None


@dataclass(frozen=True)
class SeriesBand:
    """Several curves against time, mean of the replicas with their standard error and range."""

    time_ps: FloatArray
    """(n_times,)."""
    names: Sequence[str]
    """One per curve."""
    mean: FloatArray
    """(n_times, n_curves)."""
    standard_error: FloatArray | None = None
    """(n_times, n_curves); None or nan for one replica."""
    minimum: FloatArray | None = None
    maximum: FloatArray | None = None
    n_replicas: int = 1

    def __post_init__(self) -> None:
        if np.shape(self.mean) != (len(self.time_ps), len(self.names)):
            raise AnalysisError(
                f"curves of shape {np.shape(self.mean)} for {len(self.time_ps)} times and {len(self.names)} "
                "names; "
                "pass (n_times, n_curves)"
            )

    def error_of(self, row: int, column: int) -> float | None:
        """Return the standard error of one point, None when there is no interval."""
        if self.standard_error is None or not np.isfinite(self.standard_error[row, column]):
            return None
        return float(self.standard_error[row, column])


@dataclass(frozen=True)
class StructureView:
    """A structure to look at."""

    title: str
    symbols: Sequence[str]
    positions: FloatArray
    """(n_atoms, 3), Å."""
    cell: FloatArray
    """(3, 3), Å, rows are vectors."""
    from_electrode: NDArray[np.bool_] | None = None
    """(n_atoms,): atoms that began in the electrode, drawn in a colour of their own."""

    @property
    def bonds_angstrom(self) -> Mapping[tuple[str, str], float]:
        """Pair of elements -> longest bond to draw, Å: those of anions and rings, as far as motion stretches them."""
        bonds = molecular_bonds_angstrom(self.symbols)
        return {pair: STRETCH * length for pair, length in bonds.items()}


@dataclass(frozen=True)
class ProvenanceRow:
    """Where numbers come from."""

    subject: str
    """What the row supports: ``labels``, ``learning``, ``production``, ``profile``, ``environments``,
    ``displacement``, ``crystal``, ``thermodynamics``, ``structures``, or ``iteration 2``, ``replica 1``."""
    ledger_kind: str
    ledger_key: str
    artifact_hash: str = ""
    note: str = ""


@dataclass(frozen=True)
class InterfaceResults:
    """Interface analyses of the production runs, and their averages."""

    runs: Mapping[str, Mapping[str, Result | Unavailable]]
    """Results of the parts, by run."""
    averages: Mapping[str, Result | Unavailable]
    """Averages over replicas, by part."""
    arrays: Mapping[str, NDArray[np.floating]]
    """Series named ``run/side.quantity``."""
    trajectories: Mapping[str, TrajectorySummary]
    """By run."""
    temperature_K: float


@dataclass(frozen=True)
class TransportGrid:
    """Onsager coefficients of amorphous cells over temperature and composition, and their curves."""

    result: TransportGridResult
    arrays: Mapping[str, NDArray[np.floating]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class ReportInputs:
    """Everything a report shows. Only the first four fields are needed."""

    campaign: str
    question: Question
    reference: ReferenceMethod
    outcome: Outcome
    outcome_reason: str = ""
    created: str = ""
    """When, as text."""
    spending: Spending | None = None
    labelling: Labelling | None = None
    convergence: Convergence | None = None
    iterations: Sequence[Iteration] = ()
    replicas: Sequence[Replica] = ()
    environments: SeriesBand | None = None
    """Share of the anion centres in each kind of anion, 0 to 1."""
    displacement: SeriesBand | None = None
    """Mean squared displacement of each species, Å²."""
    bcc_start: Estimate | None = None
    bcc_end: Estimate | None = None
    production_force_mae_meV_per_angstrom: Estimate | None = None
    """Of the released committee on random frames of production, labelled afterwards."""
    production_energy_mae_meV_per_atom: Estimate | None = None
    thermodynamics: Thermodynamics | None = None
    interface: InterfaceResults | None = None
    transport_grid: TransportGrid | None = None
    is_grid_asked: bool = False
    """Whether the campaign has a grid at all; without one the report has no section on it."""
    before: StructureView | None = None
    after: StructureView | None = None
    provenance: Sequence[ProvenanceRow] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    verdict: str = "undecided"
    """Of the interphase: growing, passivated, depleted or undecided."""
    verdict_reason: str = ""
