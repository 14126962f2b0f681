"""Stages of a campaign: their names, and the estimated cost of one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from interphase_flows.costs.machine_speed import BUILT_IN_FACTOR
from interphase_flows.settings import ClusterSettings, JobKind

INITIAL_DYNAMICS, INITIAL_LABELS, COMPILATION = "initial dynamics", "initial labels", "compilation"
PRETRAINING = "pre-training"
TRAINING, EXPLORATION, LOOP_LABELS, REFINEMENT = "training", "exploration", "labels of the loop", "refinement"
PRODUCTION, GRID, PRODUCTION_LABELS = "production", "transport grid", "labels of production"
REFERENCES, ANALYSIS, PHASES, START = "phase reference runs", "analysis", "energies of the phases", "start and report"

KIND_OF_STAGE: Mapping[str, JobKind] = {
    INITIAL_LABELS: "dft",
    LOOP_LABELS: "dft",
    PRODUCTION_LABELS: "dft",
    PHASES: "dft",
    PRETRAINING: "train",
    TRAINING: "train",
    INITIAL_DYNAMICS: "md",
    COMPILATION: "md",
    EXPLORATION: "md",
    REFINEMENT: "md",
    PRODUCTION: "md",
    GRID: "md",
    REFERENCES: "md",
}
"""Kinds of job of the stages; those of the others are of kind ``analysis``."""


@dataclass(frozen=True)
class PlannedStage:
    """One stage of the plan.

    ``cost_s`` is in seconds on one core, within a factor of ``cost_factor``. ``n_jobs`` is the number of equal jobs that
    can run at the same time; None for a stage whose jobs fill gaps between those of other stages. ``n_labels`` is the
    number of labels at most; ``disk_GB`` what its trajectories, candidates and checkpoints take, ``memory_GB`` the memory
    of one of its processes, 0 where unknown.
    """

    stage: str
    amount: str
    cost_s: float
    cost_factor: float = BUILT_IN_FACTOR
    n_jobs: int | None = 1
    n_labels: int = 0
    disk_GB: float = 0.0
    memory_GB: float = 0.0

    @property
    def kind(self) -> JobKind:
        """Kind of its jobs, by which they are routed to workers."""
        return KIND_OF_STAGE.get(self.stage, "analysis")

    @property
    def is_on_device(self) -> bool:
        """Whether it evaluates or trains potentials, on a GPU if the settings name one."""
        return self.kind in ("md", "train") and self.stage not in (INITIAL_DYNAMICS, COMPILATION)

    def wall_s(self, n_workers: int) -> float:
        """Return the wall time with a number of workers, the other stages aside."""
        if self.n_jobs is None:
            return self.cost_s / n_workers
        return self.cost_s * math.ceil(self.n_jobs / n_workers) / self.n_jobs


def cluster_workers(settings: ClusterSettings, kind: JobKind) -> int:
    """Return how many processes work on jobs of a kind at the same time: allocations, for DFT times their cores."""
    allocations, processes = 0, 0
    for worker in settings.workers.values():
        if kind in worker.kinds:
            allocations += worker.max_in_queue
            processes += worker.max_in_queue * (worker.cores * worker.nodes if kind == "dft" else 1)
    if settings.max_in_queue is not None and allocations > settings.max_in_queue:
        return max(1, processes * settings.max_in_queue // allocations)
    return processes
