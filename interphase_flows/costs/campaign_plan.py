"""Stages of a campaign and their estimated cost: the plan that a dry run prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.amounts import grid_amount, melt_quench_amount, steps_of_melt_and_quench
from interphase_flows.costs.machine_speed import BUILT_IN, MachineSpeed
from interphase_flows.costs.model import LabelCostModel, LabelSize, typical_size
from interphase_flows.costs.plan import (
    LabelPlan,
    imported_atoms,
    n_interface_atoms,
    plan_labels,
    production_cell_atoms,
    walker_atoms,
)
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
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.phase_references.plan import plan_references
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.reference.registry import method_spec
from interphase_flows.runtime.local_workers import WORKER_MEMORY_GB
from interphase_flows.structures.crystals.library import load_crystal

ANALYSIS_S_PER_ATOM_FRAME = 3.0e-5
"""All parts of the interface analysis, on one core (benchmarks/full_analysis.py measures it)."""
START_S = 15.0
"""Import of packages by the command and its workers, and the report."""
CANDIDATE_BYTES_PER_ATOM = 40.0
CHECKPOINT_BYTES_PER_ATOM = 80.0
GB = 1e9


def plan_campaign(
    campaign: Campaign, costs: LabelCostModel | None = None, speed: MachineSpeed = BUILT_IN
) -> list[PlannedStage]:
    """Return the stages of a campaign, with the active-learning loop at its largest number of iterations.

    ``costs`` is the cost model of labels from its reference method, fitted to finished labels; by default that of the
    measured surrogate, else the prior.
    """
    labels = plan_labels(campaign)
    if costs is None or not costs.n_labels:
        costs = _unfitted_costs(campaign, labels, speed)
    return _Planner(campaign, labels, costs, speed).stages()


def _unfitted_costs(campaign: Campaign, labels: LabelPlan, speed: MachineSpeed) -> LabelCostModel:
    if campaign.reference.method == "chgnet":
        return speed.surrogate_costs(labels.mixture)
    return LabelCostModel(campaign.reference.method, cutoff_eV=getattr(campaign.reference, "cutoff_eV", None))


@dataclass(frozen=True)
class _Planner:
    campaign: Campaign
    labels: LabelPlan
    costs: LabelCostModel
    speed: MachineSpeed

    def stages(self) -> list[PlannedStage]:
        """Return the stages in their order; those without work are left out if they are optional."""
        method, labels = self.campaign.reference.method, self.labels
        return [
            self._initial_dynamics(),
            self._labelling(INITIAL_LABELS, self._initial_amount(), labels.initial),
            *self._compilation(),
            *self._pretraining(),
            self._training(),
            self._exploration(),
            self._labelling(LOOP_LABELS, f"up to {len(labels.loop)}", labels.loop),
            *self._refinement(),
            self._production(),
            *self._grid(),
            self._labelling(PRODUCTION_LABELS, f"{len(labels.production)}", labels.production),
            self._phase_references(),
            self._analysis(),
            self._labelling(PHASES, f"{len(labels.phases)} by {method}", labels.phases),
            PlannedStage(START, "import of packages, report", START_S),
        ]

    @property
    def _members(self) -> int:
        return self.campaign.committee.n_members

    @property
    def _interface_atoms(self) -> int:
        return n_interface_atoms(self.campaign)

    def _dynamics_s(self, n_atoms: int, n_steps: float, interval_steps: int, n_segments: float = 1) -> float:
        return n_steps * self.speed.step_s(n_atoms, self._members, interval_steps) + n_segments * self.speed.segment_s

    @property
    def _label_GB(self) -> float:
        return WORKER_MEMORY_GB if self.campaign.reference.method == "chgnet" else 0.0

    def _loading_s(self, n_jobs: int, n_committees: int = 1) -> float:
        """Return the time of loading committees, once in each process."""
        return n_committees * min(n_jobs, self.speed.n_processes) * self._members * self.speed.load_s

    def _disk_GB(self, n_atoms: int, n_steps: float, frame_interval_steps: int, n_segments: float) -> float:
        frames = n_steps / frame_interval_steps * self.speed.bytes_per_atom_frame
        most_candidates = UncertaintyMonitor.model_fields["max_candidates"].default
        per_segment = most_candidates * CANDIDATE_BYTES_PER_ATOM + CHECKPOINT_BYTES_PER_ATOM
        return n_atoms * (frames + n_segments * per_segment) / GB

    def _labelling(self, stage: str, amount: str, sizes: Sequence[LabelSize]) -> PlannedStage:
        expected = self.costs.estimate(sizes)
        return PlannedStage(
            stage, amount, expected.cost_s, expected.factor, n_jobs=None, n_labels=len(sizes), memory_GB=self._label_GB
        )

    def _initial_amount(self) -> str:
        imported, labels = self.campaign.initial_labels, self.labels.initial
        from_files = [f"those in {Path(imported.files[0]).name}"] if imported else []
        if imported and len(imported.files) > 1:
            from_files = [f"those in {len(imported.files)} files and folders"]
        return " and ".join([f"{len(labels)} by {self.campaign.reference.method}"] * bool(labels) + from_files)

    def _initial_dynamics(self) -> PlannedStage:
        """Return the stage whose steps cost as much as a label by the method that drives them."""
        s = self.campaign.structures
        n_cells = len(s.amorphous.electrode_fractions) * s.amorphous.n_per_fraction
        n_melt, snapshots = s.amorphous.melt_steps + s.amorphous.quench_steps, s.interfaces.snapshots
        n_runs = len(snapshots.temperatures_K) if self.labels.initial else 0
        if s.dynamics_method == "reference":
            driver, costs = self.campaign.reference, self.costs
        else:
            driver, costs = method_spec("chgnet"), self.speed.surrogate_costs(self.labels.mixture)
        melt, react = (
            costs.estimate([typical_size(driver, self.labels.mixture, n_atoms)])
            for n_atoms in (s.amorphous.n_atoms, self._interface_atoms)
        )
        return PlannedStage(
            INITIAL_DYNAMICS,
            f"{n_cells} melt-quenches, {n_runs} interface trajectories by {driver.method}",
            n_cells * n_melt * melt.cost_s + n_runs * snapshots.n_steps * react.cost_s,
            react.factor,
            n_jobs=max(1, n_cells + n_runs),
        )

    def _compilation(self) -> list[PlannedStage]:
        if not self.speed.compile_s:
            return []
        if self.speed.is_graph_shared:
            amount = f"done once for this architecture and type of machine, in {self.speed.compile_s:.0f} s"
            return [PlannedStage(COMPILATION, amount, 0.0)]
        amount = "once for this architecture and type of machine, beside other jobs"
        return [PlannedStage(COMPILATION, amount, self.speed.compile_s, self.speed.factor, n_jobs=None)]

    def _pretraining(self) -> list[PlannedStage]:
        """Return the labels of a cheap method, of the sizes of the initial ones, and the training on them."""
        committee = self.campaign.committee
        spec = committee.pretraining
        if spec is None:
            return []
        cheap = self.campaign.model_copy(update={"reference": spec.reference})
        planned = plan_labels(cheap)
        known = planned.initial or [planned.interface]
        sizes = [known[index % len(known)] for index in range(spec.n_labels)]
        labels = _unfitted_costs(cheap, planned, self.speed).estimate(sizes)
        share = 1.0 - self.campaign.learning.validation_fraction - self.campaign.learning.test_fraction
        atom_epochs = committee.training.max_epochs * share * sum(size.n_atoms for size in sizes)
        return [
            PlannedStage(
                PRETRAINING,
                f"{spec.n_labels} labels with {spec.reference.method}, {self._members} members x "
                f"{committee.training.max_epochs} epochs",
                labels.cost_s + self._members * atom_epochs * self.speed.training_s_per_atom_epoch,
                max(labels.factor, self.speed.factor),
                n_jobs=self._members,
                n_labels=spec.n_labels,
                memory_GB=WORKER_MEMORY_GB,
            )
        ]

    def _training(self) -> PlannedStage:
        spec, learning = self.campaign.committee.training, self.campaign.learning
        first_epochs = self.campaign.committee.first_epochs
        n_rounds = learning.max_iterations
        n_per_iteration = learning.labels_per_iteration + learning.audit_labels_per_iteration
        n_initial, n_loop = (sum(size.n_atoms for size in part) for part in (self.labels.initial, self.labels.loop))
        initial = (1.0 - learning.validation_fraction - learning.test_fraction) * (
            n_initial + imported_atoms(self.campaign)
        )
        loop = n_loop * learning.labels_per_iteration / n_per_iteration  # audit labels test
        in_loop = sum(initial + loop * (index + 1) / n_rounds for index in range(n_rounds))
        atom_epochs = first_epochs * initial + spec.warm_start_epochs * in_loop
        epochs = first_epochs + n_rounds * spec.warm_start_epochs
        return PlannedStage(
            TRAINING,
            f"{self._members} members x up to {epochs} epochs in up to {1 + n_rounds} rounds",
            self._members * atom_epochs * self.speed.training_s_per_atom_epoch,
            self.speed.factor,
            n_jobs=self._members,
            memory_GB=WORKER_MEMORY_GB,
        )

    def _exploration(self) -> PlannedStage:
        exploration, n_rounds = self.campaign.exploration, self.campaign.learning.max_iterations
        n_walkers, n_melting = exploration.n_walkers, exploration.n_melt_quench_walkers
        interval, frames = exploration.uncertainty_interval_steps, exploration.frame_interval_steps
        runs = [(n_atoms, n_rounds * exploration.steps_per_iteration) for n_atoms in walker_atoms(self.campaign)]
        melt_steps = steps_of_melt_and_quench(self.campaign)
        runs += [(exploration.melt_quench.n_atoms, melt_steps)] * n_melting
        return PlannedStage(
            EXPLORATION,
            f"{n_walkers} walkers x up to {n_rounds} x {exploration.steps_per_iteration} steps"
            + melt_quench_amount(self.campaign),
            sum(self._dynamics_s(n_atoms, n_steps, interval, n_rounds) for n_atoms, n_steps in runs)
            + self._loading_s(n_walkers + n_melting, n_rounds),
            self.speed.factor,
            n_jobs=max(1, n_walkers + n_melting),
            disk_GB=sum(self._disk_GB(n_atoms, n_steps, frames, n_rounds) for n_atoms, n_steps in runs),
            memory_GB=self.speed.memory_of_GB(max((n_atoms for n_atoms, _ in runs), default=0)),
        )

    def _refinement(self) -> list[PlannedStage]:
        production, spec = self.campaign.production, self.campaign.committee.training
        n, sizes = production.refine_iterations, self.labels.refinement
        if not n:
            return []
        stage = self._production_dynamics(n_segments=1)
        atoms = sum(size.n_atoms for part in (self.labels.initial, self.labels.loop, sizes) for size in part)
        training = self._members * atoms * n * spec.warm_start_epochs * self.speed.training_s_per_atom_epoch
        expected = self.costs.estimate(sizes)
        return [
            PlannedStage(
                REFINEMENT,
                f"{n} x {production.n_replicas} replicas x {production.steps_per_segment} steps, up to {len(sizes)} "
                "labels of cells cut out of production, training",
                n * stage.cost_s + training + expected.cost_s,
                max(expected.factor, self.speed.factor),
                n_jobs=stage.n_jobs,
                n_labels=len(sizes),
                disk_GB=n * stage.disk_GB,
                memory_GB=stage.memory_GB,
            )
        ]

    def _production(self) -> PlannedStage:
        return self._production_dynamics(self.campaign.production.n_segments)

    def _production_dynamics(self, n_segments: int) -> PlannedStage:
        production, cells = self.campaign.production, production_cell_atoms(self.campaign)
        if production.interface is None:
            cells = [self._interface_atoms]
        n_steps, interval = n_segments * production.steps_per_segment, production.uncertainty_interval_steps
        relaxation = 0 if production.relaxation is None else production.relaxation.max_steps
        n = production.n_replicas
        return PlannedStage(
            PRODUCTION,
            f"{n} replicas x {n_steps} steps ({n_steps * production.dynamics.timestep_fs / 1000:g} ps) of "
            f"{', '.join(map(str, cells))} atoms",
            sum(n * self._dynamics_s(n_atoms, n_steps + relaxation, interval, n_segments) for n_atoms in cells)
            + self._loading_s(n * len(cells)),
            self.speed.factor,
            n_jobs=n * len(cells),
            disk_GB=sum(
                n * self._disk_GB(n_atoms, n_steps, production.frame_interval_steps, n_segments) for n_atoms in cells
            ),
            memory_GB=self.speed.memory_of_GB(max(cells)),
        )

    def _grid(self) -> list[PlannedStage]:
        grid = self.campaign.transport_grid
        if grid is None:
            return []
        n_segments = grid.n_cells * (2 + len(grid.temperatures_K) * (1 + grid.n_segments))
        return [
            PlannedStage(
                GRID,
                grid_amount(self.campaign, grid),
                self._dynamics_s(grid.n_atoms, grid.n_steps, grid.uncertainty_interval_steps, n_segments),
                self.speed.factor,
                n_jobs=grid.n_cells * len(grid.temperatures_K),
                disk_GB=self._disk_GB(grid.n_atoms, grid.n_steps, grid.frame_interval_steps, n_segments),
                memory_GB=self.speed.memory_of_GB(grid.n_atoms),
            )
        ]

    def _phase_references(self) -> PlannedStage:
        """Return the reference runs of the phases, driven by one member of the committee."""
        campaign = self.campaign
        electrode, electrolyte = (
            load_crystal(name, campaign.structure_files) for name in (campaign.electrode, campaign.electrolyte)
        )
        crystals = {name: load_crystal(name, campaign.structure_files) for name in campaign.phases}
        try:
            roles = roles_of(electrode.get_chemical_symbols(), electrolyte.get_chemical_symbols())
            runs = plan_references(crystals, electrolyte, roles, campaign.analysis.phase_references).runs
        except AnalysisError as error:
            return PlannedStage(REFERENCES, f"none, so that atoms are not assigned to phases: {error}", 0.0)
        sizes = [run.n_atoms for run in runs]
        return PlannedStage(
            REFERENCES,
            f"{len(runs)} of {min(sizes)} to {max(sizes)} atoms at {campaign.production.dynamics.temperature_K:g} K: "
            f"{sum(run.n_steps for run in runs)} steps",
            sum(run.n_steps * self.speed.step_s(run.n_atoms) for run in runs),
            self.speed.factor,
            memory_GB=self.speed.memory_of_GB(max(sizes)),
        )

    def _analysis(self) -> PlannedStage:
        production, cells = self.campaign.production, production_cell_atoms(self.campaign)
        n_frames = production.n_segments * production.steps_per_segment // production.frame_interval_steps
        return PlannedStage(
            ANALYSIS,
            f"{production.n_replicas * len(cells) * n_frames} frames of production",
            production.n_replicas * n_frames * sum(cells) * ANALYSIS_S_PER_ATOM_FRAME,
        )
