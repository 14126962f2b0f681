"""Block `exploration` of a campaign file: molecular dynamics that samples configurations for labelling."""

from typing import Annotated

from pydantic import Field, model_validator

from interphase_flows.campaign.values import (
    Count,
    CountOrNone,
    Fraction,
    Positive,
    Spec,
    Temperature,
    TimestepFs,
    check_evaluation_interval,
)
from interphase_flows.md.schedule import Stage


class DynamicsSpec(Spec):
    """Langevin dynamics at constant volume."""

    temperature_K: Temperature = 300.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 10.0


class MeltQuenchSpec(Spec):
    """Melt-quench walkers: random packings between electrode and electrolyte, driven by the committee.

    ``melt_steps`` and ``quench_steps`` are total lengths; segments of at most ``steps_per_iteration`` steps advance
    through them over several iterations. Packings use the ``electrode_fractions`` in turn. The high friction removes
    the heat that a packing releases.
    """

    electrode_fractions: Annotated[list[Fraction], Field(min_length=1)] = [0.07, 0.53]
    n_atoms: Annotated[int, Field(ge=8)] = 45
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: Count = 400
    quench_steps: Count = 400
    friction_per_ps: Positive = 50.0

    @property
    def stages(self) -> list[Stage]:
        """Stages of the schedule: melt, then quench."""
        return [
            Stage(self.melt_temperature_K, self.melt_steps),
            Stage(self.quench_temperature_K, self.quench_steps),
        ]

    @model_validator(mode="after")
    def _melt_is_hotter(self) -> "MeltQuenchSpec":
        if self.quench_temperature_K > self.melt_temperature_K:
            raise ValueError(
                f"quench_temperature_K ({self.quench_temperature_K:g}) must not be above melt_temperature_K "
                f"({self.melt_temperature_K:g})"
            )
        return self


class ExplorationSpec(Spec):
    """Molecular dynamics that samples configurations of high committee uncertainty.

    Frames of audit walkers are used for testing only. Melt-quench walkers have their own temperatures and friction,
    and share all other keys.
    """

    dynamics: DynamicsSpec = DynamicsSpec(temperature_K=500.0)
    n_interface_walkers: Count = 2
    n_amorphous_walkers: CountOrNone = 1
    n_melt_quench_walkers: CountOrNone = 0
    n_audit_walkers: Count = 1
    steps_per_iteration: Count = 200
    frame_interval_steps: Count = 10
    uncertainty_interval_steps: Count = 10
    checkpoint_interval_steps: Count = 50
    runaway_temperature_factor: Annotated[float, Field(gt=1.0)] = 3.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    melt_quench: MeltQuenchSpec = MeltQuenchSpec()

    @model_validator(mode="after")
    def _evaluations_fit_into_a_document(self) -> "ExplorationSpec":
        check_evaluation_interval("steps_per_iteration", self.steps_per_iteration, self.uncertainty_interval_steps)
        return self
