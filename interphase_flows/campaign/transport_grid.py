"""The block ``transport_grid`` of a campaign file: Onsager coefficients of amorphous cells."""

from typing import Annotated

from pydantic import Field, model_validator

from interphase_flows.campaign.values import Count, Positive, Spec, Temperature, TimestepFs, check_watches

LEAST_FRAMES = 51
"""Below this no run supports a number, whatever moves in it: as the estimator has it, which is not loaded for a file."""
ElectrodeFraction = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Of the atoms; a cell of electrode alone has none of the electrolyte's elements for its ions to move against."""


class TransportGridSpec(Spec):
    """Amorphous cells on the line from electrolyte to electrode, run with the released committee.

    Each cell is packed, melted and quenched; from its quenched state runs at every temperature begin. Of these the
    equilibration is left out. Compare `frame_interval_steps` with what coarse-graining needs: some frames within the
    time in which vibrations are forgotten.
    """

    electrode_fractions: Annotated[list[ElectrodeFraction], Field(min_length=2)] = [0.07, 0.25, 0.4, 0.53]
    n_per_fraction: Count = 3
    n_atoms: Annotated[int, Field(ge=8)] = 135
    """Whole formula units of Li7P3S11 in 90 atoms would make one composition of 0.25 and 0.4."""
    temperatures_K: Annotated[list[Temperature], Field(min_length=3)] = [600.0, 800.0, 1000.0, 1200.0]
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: Count = 5_000
    quench_steps: Count = 5_000
    melt_friction_per_ps: Positive = 50.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 1.0
    equilibration_steps: Count = 5_000
    n_segments: Count = 4
    steps_per_segment: Count = 25_000
    frame_interval_steps: Count = 10
    watch_interval_steps: Count = 50
    checkpoint_interval_steps: Count = 5_000

    @property
    def n_cells(self) -> int:
        """Cells in all."""
        return len(self.electrode_fractions) * self.n_per_fraction

    @property
    def n_steps(self) -> int:
        """Steps of molecular dynamics in all, if nothing breaks."""
        measured = self.equilibration_steps + self.n_segments * self.steps_per_segment
        return self.n_cells * (self.melt_steps + self.quench_steps + len(self.temperatures_K) * measured)

    @model_validator(mode="after")
    def _means_something(self) -> "TransportGridSpec":
        for name in ("electrode_fractions", "temperatures_K"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} {values} holds a number twice: give each once")
        if self.quench_temperature_K > self.melt_temperature_K:
            raise ValueError(
                f"quench_temperature_K ({self.quench_temperature_K:g}) must not be above melt_temperature_K "
                f"({self.melt_temperature_K:g})"
            )
        n_frames = self.n_segments * self.steps_per_segment // self.frame_interval_steps
        if n_frames < LEAST_FRAMES:
            raise ValueError(
                f"{self.n_segments} segments of {self.steps_per_segment} steps with a frame every "
                f"{self.frame_interval_steps} leave {n_frames} frames, and fewer than {LEAST_FRAMES} support no "
                "transport coefficient: run longer, or keep frames more often"
            )
        for name in ("melt_steps", "quench_steps", "equilibration_steps", "steps_per_segment"):
            check_watches(name, getattr(self, name), self.watch_interval_steps)
        return self
