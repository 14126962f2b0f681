"""Block `exploration` of a campaign file: molecular dynamics that samples configurations for labelling."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from interphase_flows.campaign.values import (
    MOST_ATOMS,
    MOST_VALUES,
    Count,
    CountOrNone,
    Fraction,
    Positive,
    Spec,
    StepCount,
    Temperature,
    TimestepFs,
    check_evaluation_interval,
)
from interphase_flows.content_keys import IS_CONTENT_KEY
from interphase_flows.md.dynamics import LangevinDynamics, LangevinNPT, LangevinNVT
from interphase_flows.md.schedule import Stage

RAMP_KEYS = ("ramp_to_temperature_K", "ramp_time_fs")
BAROSTAT_KEYS = ("pressure_GPa", "axes", "barostat_time_fs", "bulk_modulus_GPa")
MIN_BAROSTAT_STEPS = 50
"""Shortest relaxation time of the cell in time steps; a shorter one biases the variance of the volume by over 1 %."""


def check_ladder(temperatures_K: Sequence[float], key: str, n_runs: int) -> None:
    """Raise ValueError if there are more temperatures than runs that take them in turn; ``key`` sets their number."""
    if len(temperatures_K) > n_runs:
        raise ValueError(
            f"temperatures_K: {len(temperatures_K)} temperatures for {n_runs} runs, so that the last ones are not used; "
            f"raise {key}"
        )


class DynamicsSpec(Spec):
    """Langevin dynamics at constant volume (``nvt``) or constant pressure (``npt``, stochastic cell rescaling).

    With ``ramp_to_temperature_K`` the thermostat follows a linear ramp in the first ``ramp_time_fs`` of a run.
    """

    ensemble: Literal["nvt", "npt"] = "nvt"
    temperature_K: Temperature = 300.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 10.0
    ramp_to_temperature_K: Temperature | None = None
    ramp_time_fs: Positive = 10_000.0
    pressure_GPa: Annotated[float, Field(ge=-10.0, le=100.0)] = 0.0
    axes: Literal["normal", "orthogonal", "isotropic"] = "normal"
    barostat_time_fs: Positive = 1000.0
    bulk_modulus_GPa: Positive = 20.0

    @model_validator(mode="after")
    def _barostat_fits_the_ensemble(self) -> "DynamicsSpec":
        if self.ensemble == "nvt":
            changed = [key for key in BAROSTAT_KEYS if getattr(self, key) != type(self).model_fields[key].default]
            if changed:
                raise ValueError(f"{', '.join(changed)}: without effect at ensemble nvt; set ensemble: npt")
        elif self.barostat_time_fs < MIN_BAROSTAT_STEPS * self.timestep_fs:
            raise ValueError(
                f"barostat_time_fs ({self.barostat_time_fs:g}) must be at least {MIN_BAROSTAT_STEPS} time steps of "
                f"timestep_fs ({self.timestep_fs:g})"
            )
        return self

    @model_validator(mode="after")
    def _ramp_has_an_end(self) -> "DynamicsSpec":
        if self.ramp_to_temperature_K is None and self.ramp_time_fs != type(self).model_fields["ramp_time_fs"].default:
            raise ValueError("ramp_time_fs: without effect at constant temperature; set ramp_to_temperature_K")
        return self

    def langevin(self) -> LangevinDynamics:
        """Return the dynamics."""
        settings = self.model_dump(exclude={"ensemble"}, exclude_none=True)
        if self.ensemble == "npt":
            return LangevinNPT(**settings)
        return LangevinNVT(**{key: value for key, value in settings.items() if key not in BAROSTAT_KEYS})

    @model_serializer(mode="wrap")
    def _without_unused_keys(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Leave the barostat at constant volume, and the ramp of a constant temperature, out of content keys."""
        fields: dict[str, Any] = dump(self)
        if not (info.context or {}).get(IS_CONTENT_KEY):
            return fields
        unused = ("ensemble", *BAROSTAT_KEYS) if self.ensemble == "nvt" else ()
        if self.ramp_to_temperature_K is None:
            unused = (*unused, *RAMP_KEYS)
        return {key: value for key, value in fields.items() if key not in unused}


class ConstantPressureSpec(DynamicsSpec):
    """Langevin dynamics, by default at constant pressure along z (``npt``)."""

    ensemble: Literal["nvt", "npt"] = "npt"


class MeltQuenchSpec(Spec):
    """Melt-quench walkers: random packings between electrode and electrolyte, driven by the committee.

    ``melt_steps`` and ``quench_steps`` are total lengths; segments of at most ``steps_per_iteration`` steps advance
    through them over several iterations. Packings use the ``electrode_fractions`` in turn. The high friction removes
    the heat that a packing releases.
    """

    electrode_fractions: Annotated[list[Fraction], Field(min_length=1, max_length=MOST_VALUES)] = [0.07, 0.53]
    n_atoms: Annotated[int, Field(ge=8, le=MOST_ATOMS)] = 45
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: StepCount = 400
    quench_steps: StepCount = 400
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

    Walkers take the ``temperatures_K`` in turn; without them all have that of ``dynamics``. Frames of audit walkers are
    used for testing only. Melt-quench walkers have their own temperatures and friction, and share all other keys. Crystal
    walkers start from bulk electrolyte and electrode in turn; their frames are labelled at random.
    """

    dynamics: DynamicsSpec = DynamicsSpec(temperature_K=500.0)
    temperatures_K: Annotated[list[Temperature], Field(max_length=MOST_VALUES)] = []
    n_interface_walkers: Count = 2
    n_amorphous_walkers: CountOrNone = 1
    n_melt_quench_walkers: CountOrNone = 0
    n_crystal_walkers: CountOrNone = 1
    n_audit_walkers: Count = 1
    steps_per_iteration: StepCount = 200
    frame_interval_steps: StepCount = 10
    uncertainty_interval_steps: StepCount = 10
    checkpoint_interval_steps: StepCount = 50
    runaway_temperature_factor: Annotated[float, Field(gt=1.0)] = 3.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    melt_quench: MeltQuenchSpec = MeltQuenchSpec()

    @property
    def n_walkers(self) -> int:
        """Number of walkers without those that melt and quench, whose segments have other lengths."""
        return self.n_interface_walkers + self.n_amorphous_walkers + self.n_crystal_walkers + self.n_audit_walkers

    @model_validator(mode="after")
    def _evaluations_fit_into_a_document(self) -> "ExplorationSpec":
        check_evaluation_interval("steps_per_iteration", self.steps_per_iteration, self.uncertainty_interval_steps)
        return self

    @model_validator(mode="after")
    def _every_temperature_is_used(self) -> "ExplorationSpec":
        check_ladder(self.temperatures_K, "n_interface_walkers", self.n_interface_walkers)
        return self
