"""The block ``exploration`` of a campaign file: dynamics that looks for what the committee does not know."""

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
    check_watches,
)
from interphase_flows.md.schedule import Stage


class DynamicsSpec(Spec):
    """Langevin dynamics at constant volume."""

    temperature_K: Temperature = 300.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 10.0


class MeltQuenchSpec(Spec):
    """Random packings on the composition line from electrode to electrolyte, melted and quenched by the committee.

    Steps are those of the whole melt and the whole quench: segments of ``steps_per_iteration`` at most go through
    them, from iteration to iteration.  Packings take the fractions of electrode in turn.  A packing sheds its heat,
    and the quench that of the melt, into a bath of high friction.
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
        """The melt, then the quench."""
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
    """Molecular dynamics that looks for what the committee does not know.

    ``audit`` walkers are explored like the others, but their frames only ever test.  Walkers that melt and quench
    have temperatures and a friction of their own; the time step and all other keys are theirs, too.
    """

    dynamics: DynamicsSpec = DynamicsSpec(temperature_K=500.0)
    n_interface_walkers: Count = 2
    n_amorphous_walkers: CountOrNone = 1
    n_melt_quench_walkers: CountOrNone = 0
    n_audit_walkers: Count = 1
    steps_per_iteration: Count = 200
    frame_interval_steps: Count = 10
    watch_interval_steps: Count = 10
    checkpoint_interval_steps: Count = 50
    runaway_temperature_factor: Annotated[float, Field(gt=1.0)] = 3.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    melt_quench: MeltQuenchSpec = MeltQuenchSpec()

    @model_validator(mode="after")
    def _watches_fit_into_a_document(self) -> "ExplorationSpec":
        check_watches("steps_per_iteration", self.steps_per_iteration, self.watch_interval_steps)
        return self
