"""Stages of a campaign: their names, and the estimated cost of one."""

import math
from dataclasses import dataclass

from interphase_flows.costs.machine_speed import BUILT_IN_FACTOR

INITIAL_DYNAMICS, INITIAL_LABELS, COMPILATION = "initial dynamics", "initial labels", "compilation"
PRETRAINING = "pre-training"
TRAINING, EXPLORATION, LOOP_LABELS, REFINEMENT = "training", "exploration", "labels of the loop", "refinement"
PRODUCTION, GRID, PRODUCTION_LABELS = "production", "transport grid", "labels of production"
REFERENCES, ANALYSIS, PHASES, START = "phase reference runs", "analysis", "energies of the phases", "start and report"


@dataclass(frozen=True)
class PlannedStage:
    """One stage of the plan.

    ``cost_s`` is in seconds on one core, within a factor of ``cost_factor``. ``n_jobs`` is the number of equal jobs that
    can run at the same time; None for a stage whose jobs fill gaps between those of other stages. ``disk_GB`` is what its
    trajectories, candidates and checkpoints take, ``memory_GB`` the memory of one of its processes; 0 where small.
    """

    stage: str
    amount: str
    cost_s: float
    cost_factor: float = BUILT_IN_FACTOR
    n_jobs: int | None = 1
    disk_GB: float = 0.0
    memory_GB: float = 0.0

    def wall_s(self, n_workers: int) -> float:
        """Return the wall time with a number of workers, the other stages aside."""
        if self.n_jobs is None:
            return self.cost_s / n_workers
        return self.cost_s * math.ceil(self.n_jobs / n_workers) / self.n_jobs
