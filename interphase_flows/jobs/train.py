"""The job that trains one member of a committee."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import extxyz_bytes, frames_of_split, read_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.caching import cached_exclusive
from interphase_flows.jobs.import_dataset import LabelledFrames, as_dataset
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.jobs.potentials import potential_file, potential_key
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.runtime.progress import ProgressEvent, listening
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.dataset import DatasetDoc, Split
from interphase_flows.schemas.model import ModelDoc
from interphase_flows.storage.workspace import current_workspace


@dataclass
class TrainMaker(JobMaker):
    """Train one member of a committee."""

    name: str = "train committee member"
    spec: CommitteeSpec = field(default_factory=CommitteeSpec)

    @open_job(output_schema=ModelDoc)
    def make(
        self,
        dataset: DatasetDoc | LabelledFrames,
        member: int = 0,
        seed: int | None = None,
        parent: ModelDoc | None = None,
        start: ModelDoc | str | None = None,
    ) -> ModelDoc:
        """Train from random weights, or from those of ``parent``, such as the same member of the previous iteration.

        ``start`` is instead a potential of another method with the same architecture, as a trained model or the path of
        a checkpoint or package of NequIP; by default it is that of the spec, if there is no parent. It is trained with
        the settings ``fine_tuning`` of the spec, in an order of batches that depends on the seed.

        ``dataset`` may also be the path of labelled frames, or a list of them, see `ImportDatasetMaker`. The seed of
        the initial weights is by default the number of the member.

        Raises
        ------
        InputError
            The frames have no stress, and the stress has a weight in the loss; or there are ``parent`` and ``start``.
        """
        if parent is not None and start is not None:
            raise InputError("parent and start exclude each other: a member starts from one potential. Hint: give one")
        workspace = current_workspace()
        dataset = as_dataset(dataset, self.spec.model.cutoff_angstrom)
        seed = member if seed is None else seed
        if start is None and parent is None:
            start = self.spec.start_of(member)
        key = content_key(
            "models",
            dataset=dataset.key,
            model=self.spec.model,
            training=self.spec.training,
            seed=seed,
            parent=parent.key if parent else None,
            nequip=version("nequip"),
            **({} if start is None else {"start": potential_key(start), "fine_tuning": self.spec.fine_tuning}),
        )

        end, label = deadline(workspace.settings), f"train committee member {member}"

        def check_walltime(event: ProgressEvent) -> None:
            # reported after each epoch, once its checkpoint is written
            if event.stage == label and event.done < event.total:
                end.check(f"epoch {event.done + 1} of {label}")

        def compute(folder: Path) -> ModelDoc:
            # importing takes seconds, which a resume that finds the model does not need
            from interphase_flows.potentials.training import log_csv, train_member

            frames = read_extxyz(workspace.artifacts.get(dataset.artifact))
            if self.spec.training.stress_weight and any("stress" not in frame.calc.results for frame in frames):
                raise InputError(
                    f"dataset {dataset.key} has no stress. Hint: train with TrainingSpec(stress_weight=0), or import "
                    "frames with stress"
                )
            if not self.spec.training.stress_weight:
                # NequIP reads no file in which only some frames have stress
                for frame in frames:
                    frame.calc.results.pop("stress", None)
            splits: tuple[Split, ...] = ("train", "validation")
            files = {split: folder / f"{split}.extxyz" for split in splits}
            for split, path in files.items():
                path.write_bytes(extxyz_bytes(frames_of_split(frames, split)))
            with listening(check_walltime):
                trained = train_member(
                    self.spec.model,
                    self.spec.training,
                    dataset.baseline,
                    files["train"],
                    files["validation"],
                    folder,
                    model_seed=seed,
                    # members with random weights differ by these only; others by the order of their batches
                    data_seed=0 if start is None else seed,
                    parent_checkpoint=workspace.artifacts.get(parent.checkpoint) if parent else None,
                    n_threads=workspace.settings.n_threads,
                    device=workspace.settings.device,
                    label=label,
                    start=None if start is None else potential_file(start),
                    fine_tuning=self.spec.fine_tuning,
                )
            return ModelDoc(
                key=key,
                dataset_key=dataset.key,
                parent_key=parent.key if parent else start.key if isinstance(start, ModelDoc) else None,
                member=member,
                seed=seed,
                checkpoint=workspace.artifacts.put_file(trained.checkpoint, "models", ".ckpt"),
                n_epochs=trained.n_epochs,
                best_epoch=trained.best_epoch,
                best_validation_loss=trained.best_validation_loss,
                validation_loss=[epoch["val0_epoch/weighted_sum"] for epoch in trained.history],
                resumed_from_epoch=trained.resumed_from_epoch,
                wall_time_s=trained.wall_time_s,
                n_threads=workspace.settings.n_threads,
                versions={name: version(name) for name in ("nequip", "torch", "e3nn")},
                notes=trained.notes,
                training_log=workspace.artifacts.put_bytes(log_csv(trained.history), "training_logs", ".csv"),
            )

        return cached_exclusive("models", key, ModelDoc, end, label, compute)
