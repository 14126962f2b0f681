"""Molecular-dynamics segments and the walkers that they advance."""

from typing import Literal, get_args

from pydantic import BaseModel, Field

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document

Role = Literal["explore", "sample", "audit", "production", "transport"]
"""Purpose of a run: training data by uncertainty, training data at random, test data, production, transport in amorphous
cells."""


BrokenReason = Literal[
    "close_contact",
    "runaway_temperature",
    "not_finite",
    "void",
    "volume_drift",
    "stress_drift",
    "anions_lost",
    "failed",
]
StopReason = Literal["finished", "uncertain", "walltime", BrokenReason]
BROKEN: tuple[StopReason, ...] = get_args(BrokenReason)
"""Stop reasons of broken runs."""


class StartRelaxationDoc(BaseModel):
    """Relaxation of the start of a run before its first step."""

    n_steps: int
    max_force_before_eV_per_angstrom: float
    max_force_eV_per_angstrom: float
    max_displacement_angstrom: float
    energy_change_eV_per_atom: float


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
    temperature_target_K: float
    """Temperature of the thermostat at the end of the segment."""
    temperature_mean_K: float | None = None
    temperature_std_K: float | None = None
    temperature_standard_error_K: float | None = None
    n_temperatures: int = 0
    pressure_target_GPa: float | None = None
    """External pressure, compression positive; None at constant volume, as the following six."""
    volume_mean_angstrom3: float | None = None
    volume_std_angstrom3: float | None = None
    volume_standard_error_angstrom3: float | None = None
    normal_stress_mean_GPa: float | None = None
    """Stress along z with its kinetic part, tension positive: minus the external pressure in equilibrium."""
    normal_stress_std_GPa: float | None = None
    normal_stress_standard_error_GPa: float | None = None
    """Of the mean, from the correlated values of one segment; a drift is not in it."""
    continue_from: ArtifactRef | None
    continue_state: str | None
    trajectory: ArtifactRef | None = None
    candidates: ArtifactRef | None = None
    n_candidates: int = 0
    uncertainty_steps: list[int] = Field(default_factory=list)
    uncertainty_eV_per_angstrom: list[float] = Field(default_factory=list)
    start_relaxation: StartRelaxationDoc | None = None
    """Of the first segment of a run, if it was requested."""
    wall_time_s: float = 0.0
    evaluation: str = "eager"
    """How forces were computed: ``eager``, or ``compiled`` with the hash of the graph."""

    @property
    def n_steps(self) -> int:
        """Number of steps of this segment."""
        return self.last_step - self.first_step


class Walker(BaseModel):
    """A run that continues over iterations.

    ``index`` is its initial structure in the set of initial structures, ``temperature_K`` that of its thermostat; None
    for the temperature of the dynamics of its segments.
    """

    run_id: str
    role: Role
    seed: int
    index: int
    temperature_K: float | None = None
    n_restarts: int = 0
    continue_from: ArtifactRef | None = None
    continue_state: str | None = None
    last_step: int = 0


class MeltQuenchWalker(Walker):
    """A walker that melts and quenches random packings; ``number`` is unique among such walkers.

    Each packing is a separate run, followed by the next packing.
    """

    number: int
    packing: int
    x_electrode: float
