"""Keys of production: its cell, dynamics, replicas and intervals."""

from typing import Annotated

from pydantic import Field, model_validator

from interphase_flows.campaign.exploration import ConstantPressureSpec, check_ladder
from interphase_flows.campaign.structures import FacePair
from interphase_flows.campaign.values import (
    MOST_VALUES,
    Count,
    CountOrNone,
    Spec,
    StepCount,
    StepCountOrNone,
    Temperature,
    check_evaluation_interval,
)
from interphase_flows.md.run_limits import RunLimits
from interphase_flows.md.start_relaxation import StartRelaxation


class ProductionInterfaceSpec(Spec):
    """Production cells: large enough to keep both bulk phases beside the interphase.

    There is one for every pair of ``facets``, every one of ``terminations`` and every in-plane shift; an empty list of
    facets stands for those of the labelled cell. Each has ``production.n_replicas`` replicas.
    """

    electrode_angstrom: Annotated[float, Field(ge=5.0, le=5000.0)] = 45.0
    electrolyte_angstrom: Annotated[float, Field(ge=5.0, le=5000.0)] = 55.0
    lateral_angstrom: Annotated[float, Field(ge=5.0, le=2000.0)] = 18.0
    gap_angstrom: Annotated[float, Field(gt=1.0, le=5.0)] = 2.2
    max_strain: Annotated[float, Field(gt=0.0, le=0.15)] = 0.02
    facets: Annotated[list[FacePair], Field(max_length=MOST_VALUES)] = []
    terminations: Annotated[list[CountOrNone], Field(min_length=1, max_length=MOST_VALUES)] = [0]
    n_shifts: Count = 1

    @property
    def n_cells(self) -> int:
        """Number of different interfaces."""
        return max(1, len(self.facets)) * len(self.terminations) * self.n_shifts


class CutoutSpec(Spec):
    """Small cells cut out of production in the cells of ``interface``, which are labelled instead of entire frames.

    The central atom keeps its surroundings within ``core_angstrom``; the shell beyond, where the faces of the cut meet,
    is relaxed for at most ``relaxation_steps``.
    """

    edge_angstrom: Annotated[float, Field(ge=8.0, le=50.0)] = 12.0
    core_angstrom: Annotated[float, Field(ge=2.0, le=25.0)] = 4.0
    relaxation_steps: StepCountOrNone = 20

    @model_validator(mode="after")
    def _core_fits(self) -> "CutoutSpec":
        if 2 * self.core_angstrom > self.edge_angstrom:
            raise ValueError(
                f"core_angstrom ({self.core_angstrom:g}) must be at most half of edge_angstrom ({self.edge_angstrom:g})"
            )
        return self


class ProductionSpec(Spec):
    """Production replicas with the released committee, each a chain of restartable segments.

    They run in the cell of ``interface``, or without one in the first of the small cells that are labelled. At constant
    normal pressure the cell follows the volume of the reaction; at constant volume it would form voids. Before its first
    step, a run relaxes the gap between the phases (``relaxation``; null for none). Replicas of an interface take the
    ``temperatures_K`` in turn; without them all have that of ``dynamics``. A run that exceeds the ``limits`` ends with
    its reason, and the others continue; lost anions do not end runs in small cells, in which all of them react.
    In each of ``refine_iterations``, one segment of every replica runs, and the committee is trained further on labels
    of cells cut out around its uncertain atoms; production then begins anew.
    """

    dynamics: ConstantPressureSpec = ConstantPressureSpec()
    temperatures_K: Annotated[list[Temperature], Field(max_length=MOST_VALUES)] = []
    relaxation: StartRelaxation | None = StartRelaxation()
    limits: RunLimits | None = RunLimits()
    n_replicas: Count = 3
    n_segments: Count = 2
    steps_per_segment: StepCount = 500
    frame_interval_steps: StepCount = 20
    uncertainty_interval_steps: StepCount = 20
    checkpoint_interval_steps: StepCount = 100
    equilibration_fs: Annotated[float, Field(ge=0.0)] = 200.0
    audit_labels_per_replica: Count = 4
    interface: ProductionInterfaceSpec | None = None
    cutouts: CutoutSpec = CutoutSpec()
    refine_iterations: CountOrNone = 0

    @property
    def n_runs(self) -> int:
        """Number of runs: the replicas of all interfaces."""
        return self.n_replicas * (1 if self.interface is None else self.interface.n_cells)

    @model_validator(mode="after")
    def _every_frame_is_evaluated(self) -> "ProductionSpec":
        if self.frame_interval_steps % self.uncertainty_interval_steps:
            raise ValueError(
                f"frame_interval_steps ({self.frame_interval_steps}) must be a multiple of uncertainty_interval_steps "
                f"({self.uncertainty_interval_steps}): every stored frame has an uncertainty"
            )
        check_evaluation_interval("steps_per_segment", self.steps_per_segment, self.uncertainty_interval_steps)
        return self

    @model_validator(mode="after")
    def _every_temperature_is_used(self) -> "ProductionSpec":
        check_ladder(self.temperatures_K, "n_replicas", self.n_replicas)
        return self
