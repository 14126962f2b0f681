"""Inputs of a report: the campaign, and everything that the report shows.

Everything optional may be missing; the report then states that it is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from interphase_flows.analysis.pipeline.parts.structure import ElectrodeOrderResult
from interphase_flows.report.inputs.interphase import (
    CompositionProfile,
    InterfaceResults,
    ProductionRun,
    SeriesBand,
    StructureView,
    Thermodynamics,
    TransportGrid,
)
from interphase_flows.report.inputs.learning import IterationErrors, Labelling
from interphase_flows.report.inputs.trajectories import BuiltCell, TrajectoryInputs
from interphase_flows.schemas.convergence import ConvergenceStudyDoc
from interphase_flows.schemas.equations_of_state import EquationsOfStateDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.potential_errors import ProductionAuditDoc

Outcome = Literal["converged", "budget exhausted", "running", "failed"]


@dataclass(frozen=True)
class InterfaceDescription:
    """The simulated interface, as it was built."""

    electrode: str
    electrolyte: str
    temperature_K: float
    n_atoms: int
    area_angstrom2: float | None = None
    strain_percent: float | None = None
    """Largest strain of the electrode."""
    gap_angstrom: float | None = None
    """Between the two slabs."""
    n_broken_anions: int | None = None
    """Anions cut by the surfaces."""


@dataclass(frozen=True)
class ReferenceLabels:
    """The method that computed the labels."""

    name: str
    is_surrogate: bool
    """Whether the method replaces DFT, such as CHGNet; the report then never calls its results DFT."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Every setting that affects the labels."""

    @property
    def short(self) -> str:
        """Name of the method beside its results."""
        return f"surrogate {self.name}" if self.is_surrogate else self.name


@dataclass(frozen=True)
class Spending:
    """Cost of a campaign."""

    labels_accepted: int
    labels_rejected: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    wall_time_s: Mapping[str, float] = field(default_factory=dict)
    """By stage."""
    atom_steps: float | None = None
    """Atoms times molecular-dynamics steps."""
    worker_busy_fraction: float | None = None
    """Fraction of the time of worker processes in which they ran jobs; None if there were none."""


@dataclass(frozen=True)
class ProvenanceRow:
    """A document that supports numbers of the report."""

    subject: str
    """Subject that the document supports: ``labels``, ``learning``, ``production``, a part of the analysis such as
    ``phases``, ``thermodynamics``, ``structures``, or ``iteration 2``, ``replica 1``."""
    ledger_kind: str
    ledger_key: str
    artifact_hash: str = ""
    note: str = ""


@dataclass(frozen=True)
class ReportInputs:
    """Everything that a report shows. Only the first four fields are required."""

    campaign: str
    interface: InterfaceDescription
    reference: ReferenceLabels
    outcome: Outcome
    outcome_reason: str = ""
    created: str = ""
    """Date and time."""
    spending: Spending | None = None
    labelling: Labelling | None = None
    convergence: ConvergenceStudyDoc | None = None
    iterations: Sequence[IterationErrors] = ()
    production: Sequence[ProductionRun] = ()
    n_production_runs: int = 0
    """Number of production runs of the campaign file; those whose jobs failed have no segment."""
    committee: CommitteeDoc | None = None
    """The committee of production."""
    composition: CompositionProfile | None = None
    environments: SeriesBand | None = None
    """Fraction of the anion centres in each kind of anion, 0 to 1."""
    thickness: Mapping[str, SeriesBand] = field(default_factory=dict)
    """Thickness of the interphase against time (Å), by side; means over replicas."""
    displacement: SeriesBand | None = None
    """Mean squared displacement of each species, Å²."""
    electrode_order: ElectrodeOrderResult | None = None
    """Average over replicas."""
    production_audit: ProductionAuditDoc | None = None
    equations_of_state: EquationsOfStateDoc | None = None
    thermodynamics: Thermodynamics | None = None
    analyses: InterfaceResults | None = None
    transport_grid: TransportGrid | None = None
    grid_requested: bool = False
    """Whether the campaign has a transport grid; without one the report has no section on it."""
    cells: Sequence[BuiltCell] = ()
    """Cells of production, as they were built."""
    trajectories: TrajectoryInputs = field(default_factory=TrajectoryInputs)
    campaign_file: str = ""
    """The campaign file with all defaults, as YAML."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the machine that the campaign records; without hosts, users and secrets."""
    before: StructureView | None = None
    after: StructureView | None = None
    views: Sequence[StructureView] = ()
    """Structures of one run in order of time, for a slider."""
    provenance: Sequence[ProvenanceRow] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    verdict: str = "undecided"
    """Of the interphase: growing, passivated, depleted or undecided."""
    verdict_reason: str = ""
