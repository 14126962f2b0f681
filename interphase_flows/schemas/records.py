"""What a campaign stores: one schema per kind of document.

Documents are small (no positions of a trajectory, no weights): data live in artifacts, and a
document refers to them.  Energies are in eV, forces in eV/Å, stress in eV/Å³ (tension positive),
lengths in Å, times in fs, temperatures in K.  ``key`` is the content key: the hash of what the
document was computed from, not of what came out.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.schemas.artifact import ArtifactRef

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Document(BaseModel):
    """Base of every stored document: unknown fields are refused, so a schema cannot drift."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    # fields whose artifacts nothing is computed from: a document is as good without them
    for_the_record: ClassVar[frozenset[str]] = frozenset()

    key: str
    notes: list[str] = Field(default_factory=list)


class MethodIdentity(BaseModel):
    """What a label comes from: code, version and every setting that can change its numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    code: str
    version: str
    is_surrogate: bool
    settings: dict[str, str | float | int | bool]
    key: str


class Correction(BaseModel):
    """What an error handler changed in a calculation, and whether that changed the level of theory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    handler: str
    errors: list[str]
    actions: list[str]
    changes_theory: bool


class StructureEntry(BaseModel):
    """One structure of a set: where it comes from decides its side of the split."""

    model_config = ConfigDict(extra="forbid")

    key: str
    origin: str
    formula: str
    n_atoms: int


class StructureSetDoc(Document):
    """An ordered set of structures, kept in one artifact."""

    name: str
    artifact: ArtifactRef
    entries: list[StructureEntry]
    details: dict[str, dict[str, float | int | str]] = Field(default_factory=dict)
    wall_time_s: float = 0.0


class LabelDoc(Document):
    """Energy, forces and stress of one structure by one reference method, or why there are none."""

    for_the_record = frozenset({"files"})

    structure_key: str
    origin: str
    formula: str
    method_name: str
    method_key: str
    is_surrogate: bool
    status: Literal["accepted", "rejected"]
    reason: str | None = None
    explanation: str | None = None
    numbers: list[int]
    cell: list[list[float]]
    positions: list[list[float]]
    energy_ev: float | None = None
    forces_ev_per_angstrom: list[list[float]] | None = None
    stress_ev_per_angstrom3: list[float] | None = None
    is_scf_converged: bool | None = None
    corrections: list[Correction] = Field(default_factory=list)
    details: dict[str, float | int | str | bool] = Field(default_factory=dict)
    files: ArtifactRef | None = None
    wall_time_s: float = 0.0


class LabelBatch(BaseModel):
    """What a labelling job hands on: keys only."""

    accepted: list[str]
    rejected: list[str]
    origins: dict[str, str]
    n_lost_jobs: int = 0


class Baseline(BaseModel):
    """Per-element statistics fitted once, on a campaign's first data set, for label and model alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: list[str]
    energy_shifts_ev: dict[str, float]
    forces_rms_ev_per_angstrom: dict[str, float]
    mean_n_neighbours: float


class DatasetDoc(Document):
    """An immutable set of labels with a split by origin."""

    parent_key: str | None
    method: MethodIdentity
    n_frames: dict[str, int]
    split_of_origin: dict[str, Split]
    baseline: Baseline
    artifact: ArtifactRef


class ErrorSummary(BaseModel):
    """Errors of predictions against labels; per-component for forces and stress."""

    n_frames: int
    energy_mae_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    forces_mae_mev_per_angstrom: float
    forces_rmse_mev_per_angstrom: float
    stress_mae_mev_per_angstrom3: float


class ModelDoc(Document):
    """One trained potential."""

    dataset_key: str
    parent_key: str | None
    member: int
    seed: int
    checkpoint: ArtifactRef
    n_epochs: int
    best_epoch: int
    best_validation_loss: float
    validation_loss: list[float]
    resumed_from_epoch: int | None
    wall_time_s: float
    n_threads: int
    versions: dict[str, str]


class Calibration(BaseModel):
    """How the committee's disagreement relates to its true error, on frames that trained no member.

    A threshold on the expected largest force error is turned into one on the standard deviation by
    ``error_per_std``, the median ratio of the two.
    """

    n_frames: int
    rank_correlation: float | None
    error_per_std: float
    coverage_of_twice_expected: float


class CommitteeDoc(Document):
    """Potentials that differ by seed, their errors on held-out frames, and their thresholds."""

    dataset_key: str
    models: list[ModelDoc]
    errors: dict[str, ErrorSummary]
    errors_by_origin: dict[str, ErrorSummary]
    calibration: Calibration
    select_force_std_ev_per_angstrom: float
    stop_force_std_ev_per_angstrom: float
    parity: ArtifactRef


Role = Literal["explore", "audit", "production", "transport"]
"""What a run is for: to learn from, to test with, to be measured, to measure transport in amorphous cells."""

StopReason = Literal[
    "finished", "uncertain", "close_contact", "runaway_temperature", "not_finite", "walltime", "failed"
]


class SegmentDoc(Document):
    """One restartable piece of molecular dynamics."""

    run_id: str
    role: Role
    seed: int
    committee_key: str
    stop_reason: StopReason
    explanation: str = ""
    first_step: int
    last_step: int
    n_atoms: int
    timestep_fs: float
    temperature_target_k: float
    temperature_mean_k: float | None
    temperature_std_k: float | None
    n_temperatures: int
    continue_from: ArtifactRef | None
    continue_state: str | None
    trajectory: ArtifactRef | None
    candidates: ArtifactRef | None
    n_candidates: int
    uncertainty_steps: list[int]
    uncertainty_ev_per_angstrom: list[float]
    wall_time_s: float

    @property
    def n_steps(self) -> int:
        """Steps done in this segment."""
        return self.last_step - self.first_step


class Walker(BaseModel):
    """A run that goes on from iteration to iteration; ``index`` is its start in the set of starts."""

    run_id: str
    role: Role
    seed: int
    index: int
    n_restarts: int = 0
    continue_from: ArtifactRef | None = None
    continue_state: str | None = None
    last_step: int = 0


class MeltQuenchWalker(Walker):
    """A walker that melts and quenches a random packing; ``number`` tells such walkers apart.

    Each packing is a run of its own: when it is done, the walker takes the next one.
    """

    number: int
    packing: int
    x_electrode: float


class IterationDoc(Document):
    """One turn of the loop: what was found, what was spent, what was decided and why."""

    index: int
    dataset_key: str
    committee_key: str
    explored_with: str | None
    n_labels_new: int
    n_labels_rejected: int
    n_labels_total: int
    n_train: int
    errors: dict[str, ErrorSummary]
    fresh_audit_errors: ErrorSummary | None
    calibration: Calibration
    select_force_std_ev_per_angstrom: float
    stop_force_std_ev_per_angstrom: float
    fraction_above_select: float | None
    targets_met: bool
    stop_reasons: dict[str, str]
    decision: Literal["continue", "converged", "budget_exhausted"]
    reason: str


class AnalysisDoc(Document):
    """An answer: numbers inline when few, arrays in the artifact."""

    name: str
    rests_on: list[str]
    values: dict[str, object]
    artifact: ArtifactRef | None = None


class CampaignResult(BaseModel):
    """Which documents are the answers of a campaign."""

    name: str
    outcome: Literal["converged", "budget_exhausted"]
    dataset_key: str
    committee_key: str
    starts_key: str
    iteration_keys: list[str]
    exploration_keys: list[str]
    production_keys: list[str]
    analysis_keys: dict[str, str]
