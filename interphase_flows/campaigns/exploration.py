"""The block ``exploration`` of a campaign file: dynamics that looks for what the committee does not know."""

from typing import Annotated

from pydantic import Field

from interphase_flows.campaigns.values import Count, CountOrNone, Positive, Spec, Temperature, TimestepFs


class DynamicsSpec(Spec):
    """Langevin dynamics at constant volume."""

    temperature_K: Temperature = 300.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 10.0


class ExplorationSpec(Spec):
    """Molecular dynamics that looks for what the committee does not know.

    ``audit`` walkers are explored like the others, but their frames only ever test.
    """

    dynamics: DynamicsSpec = DynamicsSpec(temperature_K=500.0)
    n_interface_walkers: Count = 2
    n_amorphous_walkers: CountOrNone = 1
    n_audit_walkers: Count = 1
    steps_per_iteration: Count = 200
    frame_interval_steps: Count = 10
    watch_interval_steps: Count = 10
    checkpoint_interval_steps: Count = 50
    runaway_temperature_factor: Annotated[float, Field(gt=1.0)] = 3.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
