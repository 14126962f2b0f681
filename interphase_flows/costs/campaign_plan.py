"""Stages of a campaign and their estimated cost: the plan that a dry run prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from ase.formula import Formula

from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.analysis.transport.composition_grid.local_composition import CompositionLine
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.transport_grid import TransportGridSpec
from interphase_flows.costs.model import LabelCostModel, LabelSize, typical_size
from interphase_flows.costs.plan import n_interface_atoms, plan_labels, production_cell_atoms
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.phase_references.plan import plan_references
from interphase_flows.md.schedule import undisturbed_legs
from interphase_flows.reference.registry import method_spec
from interphase_flows.structures.amorphous.mixtures import composition_on_line, reduced_formula
from interphase_flows.structures.crystals.library import load_crystal

# seconds on one laptop-class core with the default settings (benchmarks/ measures them)
TRAINING_S_PER_ATOM_EPOCH = 4.0e-4
MD_S_PER_ATOM_STEP = 1.7e-4
COST_FACTOR = 2.0
"""Uncertainty of the costs of training and dynamics: cores differ by this factor."""


@dataclass(frozen=True)
class PlannedStage:
    """One stage of the plan: its name, amount of work, seconds on one core, and their uncertainty as a factor."""

    stage: str
    amount: str
    cost_s: float
    cost_factor: float = COST_FACTOR


def plan_campaign(campaign: Campaign, costs: LabelCostModel | None = None) -> list[PlannedStage]:
    """Return the stages of a campaign, with the active-learning loop at its largest number of iterations.

    ``costs`` is the cost model of labels from its reference method, fitted to finished labels; the prior if None.
    """
    s, learning, production = campaign.structures, campaign.learning, campaign.production
    costs = costs or LabelCostModel(campaign.reference.method, cutoff_eV=getattr(campaign.reference, "cutoff_eV", None))
    labels = plan_labels(campaign)
    n_atoms_interface = n_interface_atoms(campaign)
    n_cells = len(s.amorphous.electrode_fractions) * s.amorphous.n_per_fraction
    n_melt = s.amorphous.melt_steps + s.amorphous.quench_steps
    snapshots = s.interfaces.snapshots
    n_runs = len(snapshots.temperatures_K)
    atoms_initial, atoms_loop = (sum(size.n_atoms for size in part) for part in (labels.initial, labels.loop))
    spec, members = campaign.committee.training, campaign.committee.n_members
    epochs = spec.max_epochs + learning.max_iterations * spec.warm_start_epochs
    exploration = campaign.exploration
    n_walkers = exploration.n_interface_walkers + exploration.n_amorphous_walkers + exploration.n_audit_walkers
    steps_loop = learning.max_iterations * n_walkers * exploration.steps_per_iteration
    steps_melting = exploration.n_melt_quench_walkers * _steps_of_melt_and_quench(campaign)
    steps_per_replica = production.n_segments * production.steps_per_segment
    production_atoms = production_cell_atoms(campaign)

    def md_cost(steps: int, uncertainty_interval_steps: int, n_atoms: int = n_atoms_interface) -> float:
        per_step = n_atoms * MD_S_PER_ATOM_STEP
        return steps * per_step * (1.0 + (members - 1) / uncertainty_interval_steps)

    def labelling(stage: str, amount: str, sizes: Sequence[LabelSize]) -> PlannedStage:
        expected = costs.estimate(sizes)
        return PlannedStage(stage, amount, expected.cost_s, expected.factor)

    def refinements(sizes: Sequence[LabelSize]) -> list[PlannedStage]:
        n = production.refine_iterations
        if not n:
            return []
        steps = production.n_replicas * production.steps_per_segment
        dynamics = md_cost(n * steps, production.uncertainty_interval_steps, sum(production_atoms))
        atoms = atoms_initial + atoms_loop + sum(size.n_atoms for size in sizes)
        training = members * atoms * n * spec.warm_start_epochs * TRAINING_S_PER_ATOM_EPOCH
        expected = costs.estimate(sizes)
        return [
            PlannedStage(
                "refinement",
                f"{n} x {production.n_replicas} replicas x {production.steps_per_segment} steps, up to {len(sizes)} "
                "labels of cells cut out of production, training",
                dynamics + training + expected.cost_s,
                expected.factor,
            )
        ]

    # a step of the initial dynamics costs as much as a label by the method that drives it
    is_own = s.dynamics_method == "reference"
    driver, driver_costs = (campaign.reference, costs) if is_own else (method_spec("chgnet"), LabelCostModel("chgnet"))
    melting = typical_size(driver, labels.mixture, s.amorphous.n_atoms)
    reacting = typical_size(driver, labels.mixture, n_atoms_interface)
    melt, react = driver_costs.estimate([melting]), driver_costs.estimate([reacting])
    return [
        PlannedStage(
            "initial dynamics",
            f"{n_cells} melt-quenches, {n_runs} interface trajectories by {driver.method}",
            n_cells * n_melt * melt.cost_s + n_runs * snapshots.n_steps * react.cost_s,
            react.factor,
        ),
        labelling("initial labels", f"{len(labels.initial)} by {campaign.reference.method}", labels.initial),
        PlannedStage(
            "training",
            f"{members} members x up to {epochs} epochs in up to {1 + learning.max_iterations} rounds",
            members * (atoms_initial + atoms_loop / 2) * epochs * TRAINING_S_PER_ATOM_EPOCH,
        ),
        PlannedStage(
            "exploration",
            f"{n_walkers} walkers x up to {learning.max_iterations} x {exploration.steps_per_iteration} steps"
            + _melt_quench_amount(campaign),
            md_cost(steps_loop, exploration.uncertainty_interval_steps)
            + md_cost(steps_melting, exploration.uncertainty_interval_steps, exploration.melt_quench.n_atoms),
        ),
        labelling("labels of the loop", f"up to {len(labels.loop)}", labels.loop),
        *refinements(labels.refinement),
        PlannedStage(
            "production",
            f"{production.n_replicas} replicas x {steps_per_replica} steps "
            f"({steps_per_replica * production.dynamics.timestep_fs / 1000:g} ps) of "
            f"{', '.join(map(str, production_atoms))} atoms",
            md_cost(
                production.n_replicas * steps_per_replica, production.uncertainty_interval_steps, sum(production_atoms)
            ),
        ),
        *(
            PlannedStage(
                "transport grid",
                _grid_amount(campaign, grid),
                md_cost(grid.n_steps, grid.uncertainty_interval_steps, grid.n_atoms),
            )
            for grid in [campaign.transport_grid]
            if grid is not None
        ),
        labelling("labels of production", f"{len(labels.production)}", labels.production),
        _phase_reference_stage(campaign),
        labelling("energies of the phases", f"{len(labels.phases)} by {campaign.reference.method}", labels.phases),
    ]


def _phase_reference_stage(campaign: Campaign) -> PlannedStage:
    """Return the reference runs of the phases, driven by one member of the committee."""
    stage = "phase reference runs"
    electrode, electrolyte = (
        load_crystal(name, campaign.structure_files) for name in (campaign.electrode, campaign.electrolyte)
    )
    crystals = {name: load_crystal(name, campaign.structure_files) for name in campaign.phases}
    try:
        roles = roles_of(electrode.get_chemical_symbols(), electrolyte.get_chemical_symbols())
        runs = plan_references(crystals, electrode, electrolyte, roles).runs
    except AnalysisError as error:
        return PlannedStage(stage, f"none, so that atoms are not assigned to phases: {error}", 0.0)
    sizes = [run.n_atoms for run in runs]
    return PlannedStage(
        stage,
        f"{len(runs)} of {min(sizes)} to {max(sizes)} atoms at {campaign.production.dynamics.temperature_K:g} K: "
        f"{sum(run.n_steps for run in runs)} steps",
        sum(run.n_atoms * run.n_steps for run in runs) * MD_S_PER_ATOM_STEP,
    )


def _grid_amount(campaign: Campaign, grid: TransportGridSpec) -> str:
    measured = grid.n_segments * grid.steps_per_segment
    ends = [
        Formula(reduced_formula(load_crystal(name, campaign.structure_files)))
        for name in (campaign.electrode, campaign.electrolyte)
    ]
    line = CompositionLine(*(end.count() for end in ends))
    reached = set()
    for fraction in grid.electrode_fractions:
        atoms = composition_on_line(fraction, grid.n_atoms, *map(str, ends))
        amounts = np.array([float(atoms.get(symbol, 0)) for symbol in line.elements])
        reached.add(f"{line.nearest(amounts, np.zeros(len(amounts)))[0]:.2f}")
    return (
        f"{grid.n_cells} cells of {grid.n_atoms} atoms (x = {', '.join(sorted(reached))}), melted and quenched in "
        f"{grid.melt_steps + grid.quench_steps} steps, each at {len(grid.temperatures_K)} temperatures x "
        f"{grid.equilibration_steps + measured} steps ({measured * grid.timestep_fs / 1000:g} ps measured): "
        f"{grid.n_steps} steps"
    )


def _steps_of_melt_and_quench(campaign: Campaign) -> int:
    """Return the steps of one melt-quench walker in the entire loop, if none of its segments ends early."""
    exploration = campaign.exploration
    legs = undisturbed_legs(exploration.melt_quench.stages, exploration.steps_per_iteration)
    return sum(leg.n_steps for leg in islice(legs, campaign.learning.max_iterations))


def _melt_quench_amount(campaign: Campaign) -> str:
    n, spec = campaign.exploration.n_melt_quench_walkers, campaign.exploration.melt_quench
    if not n:
        return ""
    stages = ", ".join(f"{stage.n_steps} steps at {stage.temperature_K:g} K" for stage in spec.stages)
    return (
        f"; {n} more walkers melt and quench packings of {spec.n_atoms} atoms ({stages}): up to "
        f"{_steps_of_melt_and_quench(campaign)} steps each"
    )
