"""Jobs that train the members of a committee, and judge the committee."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jobflow import Maker, job

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import extxyz_bytes, frames_of_split, read_extxyz
from interphase_flows.exceptions import TrainingError
from interphase_flows.jobs.caching import cached, cached_exclusive
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.runtime.progress import listening
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.dataset import DatasetDoc, Split
from interphase_flows.schemas.model import CommitteeDoc, ErrorSummary, ModelDoc
from interphase_flows.storage.workspace import current_workspace

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee
    from interphase_flows.potentials.errors import FrameErrors

INTERFACE_FAMILIES = ("interface", "audit", "explore")


@dataclass
class TrainMaker(Maker):
    """Train one member of a committee.

    Parameters
    ----------
    spec
        Architecture and training.
    """

    name: str = "train"
    spec: CommitteeSpec = field(default_factory=CommitteeSpec)

    @job(output_schema=ModelDoc)
    def make(self, dataset: DatasetDoc, member: int, seed: int, parent: ModelDoc | None) -> ModelDoc:
        """Train from nothing, or from the same member of the iteration before."""
        workspace = current_workspace()
        key = content_key(
            "models",
            dataset=dataset.key,
            model=self.spec.model,
            training=self.spec.training,
            seed=seed,
            parent=parent.key if parent else None,
            nequip=version("nequip"),
        )

        end, label = deadline(workspace.settings), f"train committee member {member}"

        def end_in_time(stage: str, epoch: int, n_epochs: int, _: str) -> None:
            # told after every epoch, when its checkpoint is written
            if stage == label and epoch < n_epochs:
                end.check(f"epoch {epoch + 1} of {label}")

        def compute(folder: Path) -> ModelDoc:
            # seconds to load, which a resume that finds the model need not wait for
            from interphase_flows.potentials.training import train_member

            frames = read_extxyz(workspace.artifacts.get(dataset.artifact))
            sides: tuple[Split, ...] = ("train", "validation")
            files = {side: folder / f"{side}.extxyz" for side in sides}
            for side, path in files.items():
                path.write_bytes(extxyz_bytes(frames_of_split(frames, side)))
            with listening(end_in_time):
                trained = train_member(
                    self.spec.model,
                    self.spec.training,
                    dataset.baseline.elements,
                    dataset.baseline.energy_shifts_eV,
                    dataset.baseline.forces_rms_eV_per_angstrom,
                    dataset.baseline.mean_n_neighbours,
                    files["train"],
                    files["validation"],
                    folder,
                    model_seed=seed,
                    data_seed=0,  # the same order of batches for every member: they differ by their weights alone
                    parent_checkpoint=workspace.artifacts.get(parent.checkpoint) if parent else None,
                    n_threads=workspace.settings.n_threads,
                    device=workspace.settings.device,
                    label=label,
                )
            return ModelDoc(
                key=key,
                dataset_key=dataset.key,
                parent_key=parent.key if parent else None,
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
            )

        return cached_exclusive("models", key, ModelDoc, end, label, compute)


@dataclass
class CommitteeMaker(Maker):
    """Judge a committee on frames that trained no member, and calibrate its thresholds.

    Parameters
    ----------
    learning
        The expected errors that the thresholds stand for.
    """

    name: str = "committee"
    learning: LearningSpec = field(default_factory=LearningSpec)

    @job(output_schema=CommitteeDoc)
    def make(self, dataset: DatasetDoc, models: Sequence[ModelDoc | None]) -> CommitteeDoc:
        """Errors per side of the split and per origin, calibration, thresholds, and the data of a parity plot."""
        trained = [model for model in models if model is not None]
        if len(trained) < 2:
            raise TrainingError(
                f"only {len(trained)} of {len(models)} members were trained on data set {dataset.key}; a committee "
                "needs two. The reasons are in: interphase query failures"
            )
        workspace = current_workspace()
        key = content_key(
            "committees",
            models=[model.key for model in trained],
            dataset=dataset.key,
            select=self.learning.select_force_error_eV_per_angstrom,
            stop=self.learning.stop_force_error_eV_per_angstrom,
        )

        def compute() -> CommitteeDoc:
            from interphase_flows.potentials.errors import calibrate, frame_errors, summarise

            frames = read_extxyz(workspace.artifacts.get(dataset.artifact))
            committee = load_committee([workspace.artifacts.get(model.checkpoint) for model in trained])
            sides: tuple[Split, ...] = ("validation", "test")
            held_out = {side: frame_errors(committee, frames_of_split(frames, side)) for side in sides}
            interface = [e for e in held_out["test"] if e.origin.split("/")[0] in INTERFACE_FAMILIES]
            groups: dict[str, list[FrameErrors]] = {str(side): group for side, group in held_out.items()}
            groups["interface"] = interface
            errors: dict[str, ErrorSummary] = {
                name: summarise(group) for name, group in groups.items() if group
            }
            every = [*held_out["validation"], *held_out["test"]]
            origins = sorted({e.origin for e in every})
            calibration = calibrate(every)
            buffer = io.BytesIO()
            np.savez(
                buffer,
                energy=np.array([e.reference_energy_eV_per_atom for e in every]),
                energy_error=np.array([e.energy_error_eV_per_atom for e in every]),
                forces=np.concatenate([e.reference_forces.ravel() for e in every]).astype(np.float32),
                forces_error=np.concatenate([e.forces_error.ravel() for e in every]).astype(np.float32),
                uncertainty=np.array([e.uncertainty for e in every]),
                largest_force_error=np.array([e.largest_force_error for e in every]),
                is_test=np.array([False] * len(held_out["validation"]) + [True] * len(held_out["test"])),
            )
            return CommitteeDoc(
                key=key,
                dataset_key=dataset.key,
                models=trained,
                errors=errors,
                errors_by_origin={o: summarise([e for e in every if e.origin == o]) for o in origins},
                calibration=calibration,
                select_force_std_eV_per_angstrom=self.learning.select_force_error_eV_per_angstrom
                / calibration.error_per_std,
                stop_force_std_eV_per_angstrom=self.learning.stop_force_error_eV_per_angstrom
                / calibration.error_per_std,
                parity=workspace.artifacts.put_bytes(buffer.getvalue(), "parity", ".npz"),
            )

        return cached("committees", key, CommitteeDoc, compute)


def load_committee(checkpoints: Sequence[Path]) -> "NequIPCommittee":
    """Load potentials on the device and the threads of this machine's settings."""
    from interphase_flows.potentials.committee import NequIPCommittee

    settings = current_workspace().settings
    return NequIPCommittee(checkpoints, settings.device, settings.n_threads)
