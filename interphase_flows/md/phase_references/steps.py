"""Lengths of the reference runs of a phase classifier."""

from pydantic import BaseModel, ConfigDict, Field

MAX_RELAX_STEPS = 25
"""Relaxation of a packing before it is melted."""


class ReferenceSteps(BaseModel):
    """Lengths of the runs, in steps of `thermal_runs.TIMESTEP_FS`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_settle: int = Field(default=40, ge=1, le=1_000_000)
    n_frames: int = Field(default=4, ge=1, le=1000)
    steps_between: int = Field(default=10, ge=1, le=1_000_000)
    n_melt: int = Field(default=40, ge=1, le=1_000_000)

    @property
    def n_thermal(self) -> int:
        """Steps of a run without melting."""
        return self.n_settle + self.n_frames * self.steps_between

    @property
    def n_molten(self) -> int:
        """Steps of a run with relaxation and melting, at most."""
        return MAX_RELAX_STEPS + max(2, self.n_melt) + self.n_thermal
