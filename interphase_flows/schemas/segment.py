"""Molecular-dynamics segments and the walkers that they advance."""

from typing import Literal

from pydantic import BaseModel, Field

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document

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
    temperature_target_K: float
    temperature_mean_K: float | None = None
    temperature_std_K: float | None = None
    n_temperatures: int = 0
    continue_from: ArtifactRef | None
    continue_state: str | None
    trajectory: ArtifactRef | None = None
    candidates: ArtifactRef | None = None
    n_candidates: int = 0
    uncertainty_steps: list[int] = Field(default_factory=list)
    uncertainty_eV_per_angstrom: list[float] = Field(default_factory=list)
    wall_time_s: float = 0.0

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
