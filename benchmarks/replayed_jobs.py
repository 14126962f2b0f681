"""Jobs of the replayed campaign, importable by workers in other processes.

A replayed campaign uses the flows of the package (the loop, its label sets, production), its label jobs, gates, ledger
and artifacts. Computations are replaced: the reference method, training, dynamics and selection wait for their recorded
time (``recorded_times.json``) divided by the scale, and write documents of the right kinds and sizes with meaningless
numbers.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ase import Atoms
from jobflow import job
from recorded_method import RecordedMethod, RecordedSpec, Replay, random_of

from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.committee import CommitteeMaker
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.iterations import IterationMaker
from interphase_flows.jobs.selection import SelectMaker
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.dataset import Baseline, DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import Calibration, CommitteeDoc, ErrorSummary, ModelDoc
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import current_workspace

N_ATOMS = 66
CHECKPOINT_BYTES = 2000
RATTLE_ANGSTROM = 0.05


@functools.cache
def _interface() -> Atoms:
    from interphase_flows.structures.interfaces.small_interfaces import SMALLEST, small_interface

    return small_interface(replace(SMALLEST, max_atoms=N_ATOMS)).atoms


def rattled_set(key: str, origins: Sequence[str]) -> StructureSetDoc:
    """Return a set of interfaces, rattled with different seeds."""
    frames = []
    for number, _ in enumerate(origins):
        atoms = _interface().copy()
        atoms.positions += RATTLE_ANGSTROM * random_of(key, number).standard_normal(atoms.positions.shape)
        frames.append(atoms)
    return store_set(key, "replayed", frames, origins)


def _artifact(kind: str, key: str, suffix: str) -> ArtifactRef:
    """Store a small file of random bytes."""
    return current_workspace().artifacts.put_bytes(random_of(kind, key).bytes(CHECKPOINT_BYTES), kind, suffix)


def _errors(n_frames: int) -> ErrorSummary:
    return ErrorSummary(
        n_frames=n_frames,
        energy_mae_meV_per_atom=10.0,
        energy_rmse_meV_per_atom=12.0,
        forces_mae_meV_per_angstrom=100.0,
        forces_rmse_meV_per_angstrom=120.0,
        stress_mae_meV_per_angstrom3=1.0,
    )


@dataclass
class FirstStructuresMaker(JobMaker):
    """Make the initial structures in one job.

    Parameters
    ----------
    replay
        Scale.
    """

    name: str = "first structures"
    replay: Replay = field(default_factory=Replay)

    @job(output_schema=StructureSetDoc)
    def make(self, n_structures: int, purpose: str) -> StructureSetDoc:
        """Return a set of structures of the families that a campaign starts with."""
        key = content_key("structure_sets", generator="replay", n=n_structures, purpose=purpose)
        families = ("crystal", "amorphous", "interface")

        def compute() -> StructureSetDoc:
            self.replay.wait("first structures")
            return rattled_set(key, [f"{families[n % 3]}/{purpose}-{n // 30}" for n in range(n_structures)])

        return cached("structure_sets", key, StructureSetDoc, compute)


@dataclass
class ReplayedSelectMaker(SelectMaker):
    """Select as many structures as an iteration may label."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=StructureSetDoc)
    def make(
        self,
        segments: Sequence[SegmentDoc | None],
        dataset: DatasetDoc,
        seed: int = 0,
        committee: CommitteeDoc | None = None,
    ) -> StructureSetDoc:
        """Return new structures, a fraction of them for the audit."""
        done = [segment for segment in segments if segment is not None]
        key = content_key("structure_sets", segments=[each.key for each in done], dataset=dataset.key)
        walkers = {
            role: [f"{role}/{each.run_id}" for each in done if each.role == role] for role in ("explore", "audit")
        }
        numbers = {
            "explore": self.learning.labels_per_iteration,
            "audit": self.learning.audit_labels_per_iteration,
        }
        origins = [walkers[role][n % len(walkers[role])] for role, count in numbers.items() for n in range(count)]

        def compute() -> StructureSetDoc:
            self.replay.wait("select")
            return rattled_set(key, origins)

        return cached("structure_sets", key, StructureSetDoc, compute)


@dataclass
class ReplayedDatasetMaker(DatasetMaker):
    """Dataset of a replayed campaign: it only counts labels."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=DatasetDoc)
    def make(self, batch: LabelBatch, parent: DatasetDoc | None, seed: int) -> DatasetDoc:
        """Return a dataset of the labels of its parent and of the batch."""
        key = content_key("datasets", labels=batch.accepted, parent=parent.key if parent else None)
        n_new = len(batch.accepted)
        n_held_out = n_new // 7
        before = parent.n_frames if parent else {"train": 0, "validation": 0, "test": 0}
        new = {"train": n_new - 2 * n_held_out, "validation": n_held_out, "test": n_held_out}

        def compute() -> DatasetDoc:
            self.replay.wait("dataset")
            elements = ["Li", "P", "S"]
            return DatasetDoc(
                key=key,
                parent_key=parent.key if parent else None,
                method=RecordedMethod(RecordedSpec(replay=self.replay), Settings()).identity,
                n_frames={side: before[side] + new[side] for side in before},
                split_of_origin={
                    **(parent.split_of_origin if parent else {}),
                    **dict.fromkeys(batch.origins.values(), "train"),
                },
                baseline=Baseline(
                    elements=elements,
                    energy_shifts_eV=dict.fromkeys(elements, -4.0),
                    forces_rms_eV_per_angstrom=dict.fromkeys(elements, 0.1),
                    mean_n_neighbours=30.0,
                ),
                artifact=_artifact("datasets", key, ".extxyz"),
            )

        return cached("datasets", key, DatasetDoc, compute)


@dataclass
class ReplayedTrainMaker(TrainMaker):
    """Wait for the recorded time of a training run."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=ModelDoc)
    def make(
        self,
        dataset: DatasetDoc,
        member: int = 0,
        seed: int | None = None,
        parent: ModelDoc | None = None,
        start: ModelDoc | str | None = None,
    ) -> ModelDoc:
        """Return a model."""
        seed = member if seed is None else seed
        key = content_key("models", dataset=dataset.key, seed=seed, parent=parent.key if parent else None)
        n_epochs = self.spec.training.max_epochs

        def compute() -> ModelDoc:
            return ModelDoc(
                key=key,
                dataset_key=dataset.key,
                parent_key=parent.key if parent else None,
                member=member,
                seed=seed,
                wall_time_s=self.replay.wait("train"),
                checkpoint=_artifact("models", key, ".ckpt"),
                n_epochs=n_epochs,
                best_epoch=n_epochs,
                best_validation_loss=0.1,
                validation_loss=[0.1] * n_epochs,
                resumed_from_epoch=None,
                n_threads=1,
                versions={"nequip": "none", "torch": "none", "e3nn": "none"},
            )

        return cached("models", key, ModelDoc, compute)


@dataclass
class ReplayedCommitteeMaker(CommitteeMaker):
    """Return a committee without testing it."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=CommitteeDoc)
    def make(
        self, dataset: DatasetDoc, models: Sequence[ModelDoc | None], compiled: CompiledPotentialDoc | None = None
    ) -> CommitteeDoc:
        """Return a committee."""
        trained = [model for model in models if model is not None]
        key = content_key("committees", models=[model.key for model in trained])

        def compute() -> CommitteeDoc:
            self.replay.wait("committee")
            origins = [origin for origin in dataset.split_of_origin if not origin.startswith("explore")]
            return CommitteeDoc(
                key=key,
                dataset_key=dataset.key,
                models=trained,
                errors={side: _errors(dataset.n_frames["test"]) for side in ("validation", "test")},
                errors_by_origin={origin: _errors(10) for origin in origins},
                calibration=Calibration(
                    n_frames=10, rank_correlation=0.5, error_per_std=3.0, coverage_of_twice_expected=0.9
                ),
                select_force_std_eV_per_angstrom=0.2,
                stop_force_std_eV_per_angstrom=0.6,
                parity=_artifact("parity", key, ".npz"),
            )

        return cached("committees", key, CommitteeDoc, compute)


@dataclass
class ReplayedSegmentMaker(SegmentMaker):
    """Wait for the recorded time of a segment."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=SegmentDoc)
    def make(
        self,
        start: StructureSetDoc | SegmentDoc,
        potential: CommitteeDoc,
        walker: Walker,
    ) -> SegmentDoc:
        """Return a finished segment."""
        begun = start.last_step if isinstance(start, SegmentDoc) else walker.last_step
        key = content_key("segments", run=walker.run_id, committee=potential.key, begun=begun)
        n_looks = self.n_steps // self.uncertainty_interval_steps
        what = "production segment" if walker.role == "production" else "exploration segment"

        def compute() -> SegmentDoc:
            return SegmentDoc(
                key=key,
                wall_time_s=self.replay.wait(what),
                run_id=walker.run_id,
                role=walker.role,
                seed=walker.seed,
                committee_key=potential.key,
                stop_reason="finished",
                first_step=begun,
                last_step=begun + self.n_steps,
                n_atoms=N_ATOMS,
                timestep_fs=self.dynamics.timestep_fs,
                temperature_target_K=self.dynamics.temperature_K,
                temperature_mean_K=self.dynamics.temperature_K,
                temperature_std_K=30.0,
                n_temperatures=n_looks,
                continue_from=_artifact("checkpoints", key, ".npz"),
                continue_state=key,
                trajectory=_artifact("trajectories", key, ".zarr.zip"),
                candidates=_artifact("candidates", key, ".npz"),
                n_candidates=10,
                uncertainty_steps=[begun + n * self.uncertainty_interval_steps for n in range(n_looks)],
                uncertainty_eV_per_angstrom=random_of(key).random(n_looks).tolist(),
            )

        return cached("segments", key, SegmentDoc, compute)


@dataclass
class ReplayedIterationMaker(IterationMaker):
    """Continue until the last iteration."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=IterationDoc)
    def make(
        self,
        index: int,
        dataset: DatasetDoc,
        committee: CommitteeDoc,
        explorer: CommitteeDoc | None,
        segments: Sequence[SegmentDoc | None],
        batch: LabelBatch,
        history: Sequence[IterationDoc],
    ) -> IterationDoc:
        """Return the iteration with its decision."""
        key = content_key("iterations", index=index, committee=committee.key)
        has_next = index < self.learning.max_iterations

        def compute() -> IterationDoc:
            self.replay.wait("iteration")
            return IterationDoc(
                key=key,
                index=index,
                dataset_key=dataset.key,
                committee_key=committee.key,
                first_checkpoint=committee.models[0].checkpoint,
                explored_with=explorer.key if explorer else None,
                n_labels_new=len(batch.accepted),
                n_labels_rejected=len(batch.rejected),
                n_labels_total=sum(dataset.n_frames.values()),
                n_train=dataset.n_frames["train"],
                errors=committee.errors,
                fresh_audit_errors=None,
                calibration=committee.calibration,
                select_force_std_eV_per_angstrom=committee.select_force_std_eV_per_angstrom,
                stop_force_std_eV_per_angstrom=committee.stop_force_std_eV_per_angstrom,
                fraction_above_select=0.5,
                targets_met=False,
                stop_reasons={each.run_id: each.stop_reason for each in segments if each is not None},
                decision="continue" if has_next else "budget_exhausted",
                reason="a replay continues until its last iteration",
            )

        return cached("iterations", key, IterationDoc, compute)


STAND_INS: dict[type, type] = {
    SelectMaker: ReplayedSelectMaker,
    DatasetMaker: ReplayedDatasetMaker,
    TrainMaker: ReplayedTrainMaker,
    CommitteeMaker: ReplayedCommitteeMaker,
    SegmentMaker: ReplayedSegmentMaker,
    IterationMaker: ReplayedIterationMaker,
}
