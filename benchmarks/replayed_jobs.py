"""Jobs of the benchmarks; workers in other processes import them from here.

A replayed campaign is the project's own flows (the loop, its label sets, production) with the project's own labelling
jobs, gates, ledger and artifacts.  What computes is replaced: the reference method, training, dynamics and the choice of
candidates wait as long as they were recorded to take (``recorded_times.json``, divided by the scale) and leave documents
of the right kinds and sizes.  Their numbers mean nothing.
"""

import functools
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from jobflow import Flow, Job, Maker, job
from pydantic import BaseModel, ConfigDict

from interphase_flows.campaigns.schema import Campaign
from interphase_flows.documents.artifact import ArtifactRef
from interphase_flows.documents.records import (
    Baseline,
    Calibration,
    CommitteeDoc,
    DatasetDoc,
    ErrorSummary,
    IterationDoc,
    LabelBatch,
    MethodIdentity,
    ModelDoc,
    SegmentDoc,
    StructureSetDoc,
    Walker,
)
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.iterations import IterationMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.models import CommitteeMaker, TrainMaker
from interphase_flows.jobs.once import once
from interphase_flows.jobs.segments import SegmentMaker
from interphase_flows.jobs.selection import SelectMaker
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.keys import content_key
from interphase_flows.references.labelling import RawLabel, ReferenceMethod
from interphase_flows.references.spec import MethodSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import current_workspace

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded_times.json").read_text())
N_ATOMS = 66
CHECKPOINT_BYTES = 2000
RATTLE_ANGSTROM = 0.05
SLEPT = "slept"
"""Folder below the campaign's, in which every process keeps a list of how long its jobs waited."""


def add_one(number: int) -> int:
    """Return the next number."""
    return number + 1


plus_one = job(add_one)


@job
def add_up(numbers: Sequence[int]) -> int:
    """Return a sum: a job that waits for many, as one that gathers labels."""
    return sum(numbers)


class Replay(BaseModel):
    """How a campaign is replayed.

    Parameters
    ----------
    scale
        Recorded seconds that pass in one.
    cores
        A label is divided by so many: they were recorded on one core.
    labels_per_job
        Labels in a job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = 500.0
    cores: int = 32
    labels_per_job: int = 25

    def wait(self, what: str) -> float:
        """Wait as long as a job of a kind took, and return the seconds."""
        return wait(RECORDED["jobs_s"][what] / self.scale)


def wait(seconds: float) -> float:
    """Wait, and write down how long."""
    began = time.perf_counter()
    time.sleep(seconds)
    waited = time.perf_counter() - began
    folder = current_workspace().root / SLEPT
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{os.getpid()}.txt").open("a") as file:
        file.write(f"{waited}\n")
    return waited


def random_of(*words: object) -> np.random.Generator:
    """Return random numbers that depend on words alone."""
    return np.random.default_rng(list(hashlib.sha256(repr(words).encode()).digest()))


class RecordedSpec(MethodSpec):
    """A reference method that waits as long as GPAW took."""

    method: Literal["recorded"] = "recorded"
    replay: Replay = Replay()

    def build(self, settings: Settings) -> ReferenceMethod:
        """Return it."""
        return RecordedMethod(self.replay)


class RecordedMethod:
    """Labels whose durations are drawn from what GPAW's labels of that family took.

    Parameters
    ----------
    replay
        Scale and cores.
    """

    def __init__(self, replay: Replay):
        self.replay = replay

    @property
    def identity(self) -> MethodIdentity:
        """One, whatever the scale."""
        return MethodIdentity(
            name="recorded",
            code="a replay",
            version="1",
            is_surrogate=True,
            settings={},
            key=content_key("method", name="recorded"),
        )

    def calculator(self) -> Calculator:
        """There is none: nothing is computed."""
        raise NotImplementedError("a replay computes nothing")

    def supports(self, atoms: Atoms) -> str | None:
        """Take all atoms."""
        return None

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Wait, and return small random forces."""
        random = random_of("label", atoms.positions.tobytes())
        family = RECORDED["labels"].get(atoms.info["origin"].split("/")[0], RECORDED["labels"]["interface"])
        seconds = family["median_s"] * float(np.exp(family["log_std"] * random.standard_normal()))
        wait(seconds / self.replay.cores / self.replay.scale)
        forces = 0.1 * random.standard_normal((len(atoms), 3))
        return RawLabel(
            energy_ev=-4.0 * len(atoms),
            forces_ev_per_angstrom=forces - forces.mean(axis=0),
            stress_ev_per_angstrom3=np.zeros(6),
            is_scf_converged=True,
            details={"n_scf_steps": 14, "n_electrons": 264, "n_k_points": 8, "peak_memory_gb": 1.0},
        )


@functools.cache
def _interface() -> Atoms:
    from interphase_flows.structures.laptop import laptop_interface

    return laptop_interface(max_atoms=N_ATOMS).atoms


def rattled_set(key: str, origins: Sequence[str]) -> StructureSetDoc:
    """Return a set of interfaces, each rattled in its own way."""
    frames = []
    for number, _ in enumerate(origins):
        atoms = _interface().copy()
        atoms.positions += RATTLE_ANGSTROM * random_of(key, number).standard_normal(atoms.positions.shape)
        frames.append(atoms)
    return store_set(key, "replayed", frames, origins)


def _artifact(kind: str, key: str, suffix: str) -> ArtifactRef:
    """Store a file of random bytes, small but of its own content."""
    return current_workspace().artifacts.put_bytes(random_of(kind, key).bytes(CHECKPOINT_BYTES), kind, suffix)


def _errors(n_frames: int) -> ErrorSummary:
    return ErrorSummary(
        n_frames=n_frames,
        energy_mae_mev_per_atom=10.0,
        energy_rmse_mev_per_atom=12.0,
        forces_mae_mev_per_angstrom=100.0,
        forces_rmse_mev_per_angstrom=120.0,
        stress_mae_mev_per_angstrom3=1.0,
    )


@dataclass
class FirstStructuresMaker(Maker):
    """Structures to begin with, in one job.

    Parameters
    ----------
    replay
        Scale.
    """

    name: str = "first structures"
    replay: Replay = field(default_factory=Replay)

    @job(output_schema=StructureSetDoc)
    def make(self, n_structures: int, purpose: str) -> StructureSetDoc:
        """Return a set of so many structures of the families that a campaign begins with."""
        key = content_key("structure_sets", generator="replay", n=n_structures, purpose=purpose)
        families = ("crystal", "amorphous", "interface")

        def compute() -> StructureSetDoc:
            self.replay.wait("first structures")
            return rattled_set(key, [f"{families[n % 3]}/{purpose}-{n // 30}" for n in range(n_structures)])

        return once("structure_sets", key, StructureSetDoc, compute)


@dataclass
class ReplayedSelectMaker(SelectMaker):
    """Choose as many structures as an iteration may label."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=StructureSetDoc)
    def make(self, segments: Sequence[SegmentDoc | None], dataset: DatasetDoc, seed: int) -> StructureSetDoc:
        """Return new structures, a share of them for the audit."""
        done = [segment for segment in segments if segment is not None]
        key = content_key("structure_sets", segments=[each.key for each in done], dataset=dataset.key)
        walkers = {
            role: [f"{role}/{each.run_id}" for each in done if each.role == role]
            for role in ("explore", "audit")
        }
        numbers = {
            "explore": self.learning.labels_per_iteration,
            "audit": self.learning.audit_labels_per_iteration,
        }
        origins = [
            walkers[role][n % len(walkers[role])] for role, count in numbers.items() for n in range(count)
        ]

        def compute() -> StructureSetDoc:
            self.replay.wait("select")
            return rattled_set(key, origins)

        return once("structure_sets", key, StructureSetDoc, compute)


@dataclass
class ReplayedDatasetMaker(DatasetMaker):
    """Count labels."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=DatasetDoc)
    def make(self, batch: LabelBatch, parent: DatasetDoc | None, seed: int) -> DatasetDoc:
        """Return a data set of those of the parent and of the batch."""
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
                method=RecordedMethod(self.replay).identity,
                n_frames={side: before[side] + new[side] for side in before},
                split_of_origin={
                    **(parent.split_of_origin if parent else {}),
                    **dict.fromkeys(batch.origins.values(), "train"),
                },
                baseline=Baseline(
                    elements=elements,
                    energy_shifts_ev=dict.fromkeys(elements, -4.0),
                    forces_rms_ev_per_angstrom=dict.fromkeys(elements, 0.1),
                    mean_n_neighbours=30.0,
                ),
                artifact=_artifact("datasets", key, ".extxyz"),
            )

        return once("datasets", key, DatasetDoc, compute)


@dataclass
class ReplayedTrainMaker(TrainMaker):
    """Train nothing for as long as a member took."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=ModelDoc)
    def make(self, dataset: DatasetDoc, member: int, seed: int, parent: ModelDoc | None) -> ModelDoc:
        """Return a model."""
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

        return once("models", key, ModelDoc, compute)


@dataclass
class ReplayedCommitteeMaker(CommitteeMaker):
    """Judge nothing."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=CommitteeDoc)
    def make(self, dataset: DatasetDoc, models: Sequence[ModelDoc | None]) -> CommitteeDoc:
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
                select_force_std_ev_per_angstrom=0.2,
                stop_force_std_ev_per_angstrom=0.6,
                parity=_artifact("parity", key, ".npz"),
            )

        return once("committees", key, CommitteeDoc, compute)


@dataclass
class ReplayedSegmentMaker(SegmentMaker):
    """Go nowhere for as long as a segment took."""

    replay: Replay = field(default_factory=Replay)

    @job(output_schema=SegmentDoc)
    def make(
        self,
        walker: Walker,
        starts: StructureSetDoc | None,
        committee: CommitteeDoc,
        previous: SegmentDoc | None = None,
    ) -> SegmentDoc:
        """Return a segment that finished."""
        begun = previous.last_step if previous else walker.last_step
        key = content_key("segments", run=walker.run_id, committee=committee.key, begun=begun)
        n_looks = self.n_steps // self.watch_interval_steps
        what = "production segment" if walker.role == "production" else "exploration segment"

        def compute() -> SegmentDoc:
            return SegmentDoc(
                key=key,
                wall_time_s=self.replay.wait(what),
                run_id=walker.run_id,
                role=walker.role,
                seed=walker.seed,
                committee_key=committee.key,
                stop_reason="finished",
                first_step=begun,
                last_step=begun + self.n_steps,
                n_atoms=N_ATOMS,
                timestep_fs=self.dynamics.timestep_fs,
                temperature_target_k=self.dynamics.temperature_K,
                temperature_mean_k=self.dynamics.temperature_K,
                temperature_std_k=30.0,
                n_temperatures=n_looks,
                continue_from=_artifact("checkpoints", key, ".npz"),
                continue_state=key,
                trajectory=_artifact("trajectories", key, ".zarr.zip"),
                candidates=_artifact("candidates", key, ".npz"),
                n_candidates=10,
                uncertainty_steps=[begun + n * self.watch_interval_steps for n in range(n_looks)],
                uncertainty_ev_per_angstrom=random_of(key).random(n_looks).tolist(),
            )

        return once("segments", key, SegmentDoc, compute)


@dataclass
class ReplayedIterationMaker(IterationMaker):
    """Go on until the iterations are spent."""

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
        goes_on = index < self.learning.max_iterations

        def compute() -> IterationDoc:
            self.replay.wait("iteration")
            return IterationDoc(
                key=key,
                index=index,
                dataset_key=dataset.key,
                committee_key=committee.key,
                explored_with=explorer.key if explorer else None,
                n_labels_new=len(batch.accepted),
                n_labels_rejected=len(batch.rejected),
                n_labels_total=sum(dataset.n_frames.values()),
                n_train=dataset.n_frames["train"],
                errors=committee.errors,
                fresh_audit_errors=None,
                calibration=committee.calibration,
                select_force_std_ev_per_angstrom=committee.select_force_std_ev_per_angstrom,
                stop_force_std_ev_per_angstrom=committee.stop_force_std_ev_per_angstrom,
                fraction_above_select=0.5,
                targets_met=False,
                stop_reasons={each.run_id: each.stop_reason for each in segments if each is not None},
                decision="continue" if goes_on else "budget_exhausted",
                reason="a replay goes on until its iterations are spent",
            )

        return once("iterations", key, IterationDoc, compute)


STAND_INS: dict[type, type] = {
    SelectMaker: ReplayedSelectMaker,
    DatasetMaker: ReplayedDatasetMaker,
    TrainMaker: ReplayedTrainMaker,
    CommitteeMaker: ReplayedCommitteeMaker,
    SegmentMaker: ReplayedSegmentMaker,
    IterationMaker: ReplayedIterationMaker,
}


def replayed(flow: Flow, replay: Replay) -> Flow:
    """Let stand-ins make the jobs of a flow that compute, in place."""
    for each in flow.jobs:
        if isinstance(each, Job):
            stand_in = STAND_INS.get(type(each.maker))
            if stand_in is not None:
                own = {entry.name: getattr(each.maker, entry.name) for entry in fields(each.maker)}
                each.function = stand_in(**own, replay=replay).make
        else:
            replayed(each, replay)
    return flow


@dataclass
class ReplayedLearningMaker(ActiveLearningMaker):
    """The project's loop, with stand-ins for what computes."""

    replay: Replay = field(default_factory=Replay)

    def make(self, *inputs: Any) -> Flow:
        """Return the first iteration."""
        return replayed(super().make(*inputs), self.replay)

    def next_iteration(self, *inputs: Any) -> Flow:
        """Return the next iteration."""
        return replayed(super().next_iteration(*inputs), self.replay)

    def label_set_maker(self) -> LabelSetMaker:
        """Return the project's own, with the recorded method."""
        return LabelSetMaker(
            label_maker=LabelMaker(reference=RecordedSpec(replay=self.replay), gates=self.campaign.gates),
            labels_per_job=self.replay.labels_per_job,
            # waiting is scaled: only their number packs the labels
            target_s_per_job=1e9,
        )


def replayed_campaign(campaign: Campaign, replay: Replay, n_first_labels: int) -> Flow:
    """Return a campaign from its first labels to its production."""
    learning_maker = ReplayedLearningMaker(campaign, replay=replay)
    structures = FirstStructuresMaker(replay=replay).make(n_first_labels, "labels")
    starts = FirstStructuresMaker(replay=replay).make(20, "starts")
    labels = learning_maker.label_set_maker().make(structures.output)
    walkers = InitialDataMaker(campaign).walkers()
    learning = learning_maker.make(labels.output, starts.output, walkers)
    production = replayed(ProductionMaker(campaign).make(starts.output, learning.output["committee"]), replay)
    return Flow([structures, starts, labels, learning, production], name=campaign.name)
