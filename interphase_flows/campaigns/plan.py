"""What a campaign is going to do and what that will roughly cost, before anything runs."""

from dataclasses import dataclass

from interphase_flows.campaigns.schema import Campaign

# Seconds of one core, measured with the defaults on a laptop-class core (benchmarks/ prints them for yours).
LABEL_S_PER_ATOM = {"chgnet": 1.8e-3, "gpaw": 2.5, "vasp": 1.5}
TRAINING_S_PER_ATOM_EPOCH = 4.0e-4
MD_S_PER_ATOM_STEP = 1.7e-4
ATOMS_PER_PHASE_CELL = 24
ATOMS_PER_INTERFACE = 84


@dataclass(frozen=True)
class PlannedStage:
    """One line of the plan: what, how many, and how many seconds on one core."""

    stage: str
    amount: str
    cost_s: float


def plan_campaign(campaign: Campaign) -> list[PlannedStage]:
    """Return the stages of a campaign; those of the loop at the most it may do."""
    s, learning, production = campaign.structures, campaign.learning, campaign.production
    label = LABEL_S_PER_ATOM[campaign.reference.method]
    n_interface_atoms = min(s.interfaces.max_atoms, ATOMS_PER_INTERFACE)
    n_cells = len(s.amorphous.electrode_fractions) * s.amorphous.n_per_fraction
    n_melt = s.amorphous.melt_steps + s.amorphous.quench_steps
    frames_per_cell = 1 + n_melt // s.amorphous.snapshot_interval_steps
    snapshots = s.interfaces.snapshots
    n_runs = len(snapshots.temperatures_K)
    n_crystals = len(campaign.phases) * (1 + s.crystals.n_per_phase)
    n_snapshots = n_runs * (snapshots.n_steps // snapshots.snapshot_interval_steps)
    n_amorphous = n_cells * frames_per_cell
    n_initial = n_crystals + n_amorphous + n_snapshots
    atoms_initial = (
        n_crystals * ATOMS_PER_PHASE_CELL
        + n_amorphous * s.amorphous.n_atoms
        + n_snapshots * n_interface_atoms
    )
    per_iteration = learning.labels_per_iteration + learning.audit_labels_per_iteration
    n_loop = min(learning.max_iterations * per_iteration, max(0, learning.max_labels - n_initial))
    atoms_loop = n_loop * n_interface_atoms
    spec, members = campaign.committee.training, campaign.committee.n_members
    epochs = spec.max_epochs + learning.max_iterations * spec.warm_start_epochs
    exploration = campaign.exploration
    n_walkers = (
        exploration.n_interface_walkers + exploration.n_amorphous_walkers + exploration.n_audit_walkers
    )
    steps_loop = learning.max_iterations * n_walkers * exploration.steps_per_iteration
    steps_production = production.n_replicas * production.n_segments * production.steps_per_segment

    def md_cost(steps: int, watch_interval_steps: int) -> float:
        per_step = n_interface_atoms * MD_S_PER_ATOM_STEP
        return steps * per_step * (1.0 + (members - 1) / watch_interval_steps)

    dynamics_steps = n_cells * n_melt * s.amorphous.n_atoms + n_runs * snapshots.n_steps * n_interface_atoms
    return [
        PlannedStage(
            "first dynamics with the reference method",
            f"{n_cells} melt-quenches, {n_runs} interface trajectories",
            dynamics_steps * label,
        ),
        PlannedStage("first labels", f"{n_initial} by {campaign.reference.method}", atoms_initial * label),
        PlannedStage(
            "training",
            f"{members} members x up to {epochs} epochs in up to {1 + learning.max_iterations} rounds",
            members * (atoms_initial + atoms_loop / 2) * epochs * TRAINING_S_PER_ATOM_EPOCH,
        ),
        PlannedStage(
            "exploration",
            f"{n_walkers} walkers x up to {learning.max_iterations} x {exploration.steps_per_iteration} steps",
            md_cost(steps_loop, exploration.watch_interval_steps),
        ),
        PlannedStage("labels of the loop", f"up to {n_loop}", atoms_loop * label),
        PlannedStage(
            "production",
            f"{production.n_replicas} replicas x {production.n_segments * production.steps_per_segment} steps "
            f"({production.n_segments * production.steps_per_segment * production.dynamics.timestep_fs / 1000:g} ps)",
            md_cost(steps_production, production.watch_interval_steps),
        ),
    ]
