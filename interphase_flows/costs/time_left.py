"""Time that an unfinished campaign has left, from its plan and the documents in its ledger."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.budget import CUTOUTS, INITIAL, RemainingLabels
from interphase_flows.costs.campaign_plan import plan_campaign
from interphase_flows.costs.machine_speed import BUILT_IN, MachineSpeed
from interphase_flows.costs.stages import (
    ANALYSIS,
    COMPILATION,
    EXPLORATION,
    GRID,
    INITIAL_DYNAMICS,
    INITIAL_LABELS,
    LOOP_LABELS,
    PHASES,
    PRETRAINING,
    PRODUCTION,
    PRODUCTION_LABELS,
    REFERENCES,
    REFINEMENT,
    START,
    TRAINING,
    PlannedStage,
)
from interphase_flows.schemas.segment import BROKEN
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace

LABELS = "labels"
LABEL_STAGES = (INITIAL_LABELS, LOOP_LABELS, PRODUCTION_LABELS, PHASES)
"""Stages whose cost left is that of the remaining labels."""
ROLES = {EXPLORATION: ("explore", "sample", "audit"), PRODUCTION: ("production",), GRID: ("transport",)}
"""Roles of the runs of a stage."""


@dataclass(frozen=True)
class StageLeft:
    """What a stage has left at most: seconds on one core, and with all workers."""

    stage: str
    cost_s: float
    wall_s: float


@dataclass(frozen=True)
class TimeLeft:
    """What a campaign has left at most, with the loop at its largest number of iterations.

    ``cost_s`` is in seconds on one core, ``wall_s`` with ``n_workers`` workers. ``is_measured`` is whether the speed of
    this machine was measured.
    """

    cost_s: float
    wall_s: float
    n_workers: int
    stages: list[StageLeft]
    is_measured: bool


def time_left(
    workspace: Workspace,
    campaign: Campaign,
    labels: RemainingLabels,
    n_workers: int,
    speed: MachineSpeed | None,
    running_steps: Mapping[str, int] | None = None,
) -> TimeLeft:
    """Return what an unfinished campaign has left at most.

    ``speed`` is the measured one, if any; ``running_steps`` are the steps of segments that are not finished, by role.
    """
    planned = plan_campaign(campaign, speed=speed or BUILT_IN)
    left = fractions_left(workspace, campaign, running_steps or {})
    stages = [replace(stage, cost_s=stage.cost_s * left[stage.stage]) for stage in planned if stage.stage in left]
    stages.append(PlannedStage(LABELS, "", labels.cost_s, labels.cost_factor, n_jobs=None))
    rows = [StageLeft(stage.stage, stage.cost_s, stage.wall_s(n_workers)) for stage in stages if stage.cost_s]
    return TimeLeft(
        cost_s=sum(row.cost_s for row in rows),
        wall_s=sum(row.wall_s for row in rows),
        n_workers=n_workers,
        stages=rows,
        is_measured=speed is not None,
    )


def fractions_left(workspace: Workspace, campaign: Campaign, running_steps: Mapping[str, int]) -> dict[str, float]:
    """Return the fraction of each stage that is not done, from 0 to 1; labels are left out."""
    ledger, own = workspace.ledger, workspace.own
    sets = [each["name"] for each in ledger.find("structure_sets", own, ["name"])]
    iterations = ledger.find("iterations", own, ["index", "decision", "committee_key"])
    loop_has_ended = any(each["decision"] != "continue" for each in iterations)
    newest = max(iterations, key=lambda each: each["index"])["committee_key"] if iterations else None
    segments = ledger.find(
        "segments", own, ["run_id", "role", "committee_key", "first_step", "last_step", "stop_reason"]
    )
    of_production = [each for each in segments if each["role"] == "production" and each["committee_key"] == newest]
    n_refinements, n_refined = campaign.production.refine_iterations, Counter(sets)[CUTOUTS]
    is_refined = n_refined >= n_refinements
    return {
        INITIAL_DYNAMICS: _initial_dynamics_left(campaign, sets),
        COMPILATION: float(not ledger.count("committees", own) and not ledger.count("compiled_potentials", own)),
        PRETRAINING: 1.0 - min(1.0, ledger.count("models", own) / campaign.committee.n_members),
        TRAINING: 0.0 if loop_has_ended else _training_left(campaign, ledger.count("models", own)),
        EXPLORATION: 0.0 if loop_has_ended else _exploration_left(campaign, segments, running_steps),
        REFINEMENT: 1.0 - min(1.0, n_refined / n_refinements) if n_refinements else 0.0,
        PRODUCTION: _production_left(campaign, of_production, running_steps) if loop_has_ended and is_refined else 1.0,
        GRID: 0.0 if ledger.count("transport_grids", own) else _grid_left(campaign, segments, running_steps),
        REFERENCES: float(not ledger.count("phase_references", own)),
        ANALYSIS: float(not ledger.count("interface_analyses", own)),
        START: 0.0,
    }


def _initial_dynamics_left(campaign: Campaign, sets: Sequence[str]) -> float:
    if INITIAL in sets:
        return 0.0
    amorphous, snapshots = campaign.structures.amorphous, campaign.structures.interfaces.snapshots
    n_planned = len(amorphous.electrode_fractions) * amorphous.n_per_fraction + len(snapshots.temperatures_K)
    n_done = sum(name.startswith(("amorphous x=", "interface/")) and "/start" not in name for name in sets)
    return 1.0 - min(1.0, n_done / max(1, n_planned))


def _training_left(campaign: Campaign, n_models: int) -> float:
    """Return the fraction of epochs left; later rounds have more labels, which is left out."""
    spec, n, first = campaign.committee.training, campaign.committee.n_members, campaign.committee.first_epochs
    n_rounds = campaign.learning.max_iterations
    if campaign.committee.pretraining is not None:
        n_models = max(0, n_models - n)
    total = n * (first + n_rounds * spec.warm_start_epochs)
    done = min(n_models, n) * first + max(0, n_models - n) * spec.warm_start_epochs
    return 1.0 - min(1.0, done / total)


def _steps(segments: Sequence[JsonDocument], roles: Sequence[str], running_steps: Mapping[str, int]) -> int:
    finished = sum(each["last_step"] - each["first_step"] for each in segments if each["role"] in roles)
    return int(finished + sum(running_steps.get(role, 0) for role in roles))


def _exploration_left(campaign: Campaign, segments: Sequence[JsonDocument], running_steps: Mapping[str, int]) -> float:
    """Return the fraction of iterations left; segments that stop early make an iteration cheaper, not shorter."""
    exploration = campaign.exploration
    n_planned = campaign.learning.max_iterations * (exploration.n_walkers + exploration.n_melt_quench_walkers)
    n_done = float(sum(each["role"] in ROLES[EXPLORATION] for each in segments))
    n_done += sum(running_steps.get(role, 0) for role in ROLES[EXPLORATION]) / exploration.steps_per_iteration
    return 1.0 - min(1.0, n_done / max(1, n_planned))


def _production_left(campaign: Campaign, segments: Sequence[JsonDocument], running_steps: Mapping[str, int]) -> float:
    """Return the fraction of steps left; a broken run has none."""
    production = campaign.production
    of_run = production.n_segments * production.steps_per_segment
    n_runs = production.n_runs
    done: dict[str, int] = defaultdict(int)
    for each in segments:
        done[each["run_id"]] += each["last_step"] - each["first_step"]
        if each["stop_reason"] in BROKEN:
            done[each["run_id"]] = of_run
    steps = sum(min(of_run, each) for each in done.values()) + _steps([], ROLES[PRODUCTION], running_steps)
    return 1.0 - min(1.0, steps / (n_runs * of_run))


def _grid_left(campaign: Campaign, segments: Sequence[JsonDocument], running_steps: Mapping[str, int]) -> float:
    if campaign.transport_grid is None:
        return 0.0
    return 1.0 - min(1.0, _steps(segments, ROLES[GRID], running_steps) / campaign.transport_grid.n_steps)
