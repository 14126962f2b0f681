"""Block `transport_grid` of a campaign file: Onsager coefficients of amorphous cells."""

from typing import Annotated

from pydantic import Field, model_validator

from interphase_flows.campaign.values import (
    MOST_ATOMS,
    MOST_VALUES,
    Count,
    Positive,
    Spec,
    StepCount,
    Temperature,
    TimestepFs,
    check_evaluation_interval,
)

MIN_FRAMES = 51
"""Smallest number of frames that the estimator accepts; repeated here, as importing the estimator is slow."""
ElectrodeFraction = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Fraction of atoms from the electrode; pure electrode has no elements of the electrolyte as a reference frame."""


class TransportGridSpec(Spec):
    """Amorphous cells between electrolyte and electrode, simulated with the released committee.

    Each cell is packed, melted and quenched; runs at every temperature start from its quenched state. The
    equilibration is excluded from the measurement. Choose `frame_interval_steps` such that several frames fall within
    the decorrelation time of vibrations.
    """

    electrode_fractions: Annotated[list[ElectrodeFraction], Field(min_length=2, max_length=MOST_VALUES)] = [
        0.07,
        0.25,
        0.4,
        0.53,
    ]
    n_per_fraction: Count = 3
    n_atoms: Annotated[int, Field(ge=8, le=MOST_ATOMS)] = 135
    """With 90 atoms, rounding to formula units of Li7P3S11 would give 0.25 and 0.4 the same composition."""
    temperatures_K: Annotated[list[Temperature], Field(min_length=3, max_length=MOST_VALUES)] = [
        600.0,
        800.0,
        1000.0,
        1200.0,
    ]
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: StepCount = 5_000
    quench_steps: StepCount = 5_000
    melt_friction_per_ps: Positive = 50.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 1.0
    equilibration_steps: StepCount = 5_000
    n_segments: Count = 4
    steps_per_segment: StepCount = 25_000
    frame_interval_steps: StepCount = 10
    uncertainty_interval_steps: StepCount = 50
    checkpoint_interval_steps: StepCount = 5_000

    @property
    def n_cells(self) -> int:
        """Total number of cells."""
        return len(self.electrode_fractions) * self.n_per_fraction

    @property
    def n_steps(self) -> int:
        """Total number of steps of molecular dynamics, if no run ends early."""
        measured = self.equilibration_steps + self.n_segments * self.steps_per_segment
        return self.n_cells * (self.melt_steps + self.quench_steps + len(self.temperatures_K) * measured)

    @model_validator(mode="after")
    def _supports_transport_coefficients(self) -> "TransportGridSpec":
        for name in ("electrode_fractions", "temperatures_K"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} {values} contains a number twice; give each once")
        if self.quench_temperature_K > self.melt_temperature_K:
            raise ValueError(
                f"quench_temperature_K ({self.quench_temperature_K:g}) must not be above melt_temperature_K "
                f"({self.melt_temperature_K:g})"
            )
        n_frames = self.n_segments * self.steps_per_segment // self.frame_interval_steps
        if n_frames < MIN_FRAMES:
            raise ValueError(
                f"{self.n_segments} segments of {self.steps_per_segment} steps with a frame every "
                f"{self.frame_interval_steps} give {n_frames} frames, but a transport "
                f"coefficient needs at least {MIN_FRAMES}; run longer, or store frames more often"
            )
        for name in ("melt_steps", "quench_steps", "equilibration_steps", "steps_per_segment"):
            check_evaluation_interval(name, getattr(self, name), self.uncertainty_interval_steps)
        return self
