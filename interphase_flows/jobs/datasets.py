"""The job that assembles labels into an immutable dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.baseline import composition_matrix, fit_baseline
from interphase_flows.datasets.duplicates import find_duplicates
from interphase_flows.datasets.frames import IS_IMPORTED, extxyz_bytes, frames_of_split, labelled_atoms, read_extxyz
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.splits import split_origins
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.label_batches import load_labels, rejections
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.schemas.dataset import SPLITS, DatasetDoc, ExcludedLabel, Split
from interphase_flows.schemas.label import LabelBatch, MethodIdentity
from interphase_flows.schemas.origin import Origin
from interphase_flows.storage.workspace import current_workspace

KIND = "datasets"


@dataclass
class DatasetMaker(JobMaker):
    """Assemble accepted labels and those of a parent dataset into a dataset split by origin.

    A dataset has labels of one method, which is that of ``reference`` if it is given. ``cutoff_angstrom``, that of the
    potential, sets the mean number of neighbours in the baseline.
    """

    name: str = "dataset"
    reference: MethodSpec | None = None
    gates: Gates = field(default_factory=Gates)
    learning: LearningSpec = field(default_factory=LearningSpec)
    cutoff_angstrom: float = 5.0

    @job(output_schema=DatasetDoc)
    def make(self, batch: LabelBatch | DatasetDoc, parent: DatasetDoc | None = None, seed: int = 0) -> DatasetDoc:
        """Add a batch of labels to a parent dataset and return the extended dataset.

        The baseline is that of the parent; without a parent it is fitted to the training frames. A dataset is returned
        as it is.

        Raises
        ------
        InputError
            A label is by another reference method or missing, or a split has no frames.
        """
        if isinstance(batch, DatasetDoc):
            return batch
        identity = self._method(batch, parent)
        inherited: list[Atoms] = []
        if parent is not None:
            if parent.method.key != identity.key:
                raise InputError(
                    f"dataset {parent.key} has labels by {parent.method.name} ({parent.method.key}), the new ones are by "
                    f"{identity.name} ({identity.key}); a dataset has labels of one method. Hint: start another campaign "
                    "or dataset"
                )
            inherited = read_extxyz(current_workspace().artifacts.get(parent.artifact))
        known = {frame.info["label_key"] for frame in inherited}
        new_keys = sorted(set(batch.accepted) - known)
        split_of_origin = split_origins(
            batch.origins.values(),
            parent.split_of_origin if parent else {},
            seed,
            self.learning.validation_fraction,
            self.learning.test_fraction,
        )
        key = content_key(
            KIND,
            method=identity.key,
            parent=parent.key if parent else None,
            labels={k: batch.origins[k] for k in new_keys},
            split=split_of_origin,
            gates=self.gates,
            cutoff_angstrom=None if parent else self.cutoff_angstrom,
        )
        document = cached(
            KIND,
            key,
            DatasetDoc,
            lambda: self._assemble(key, identity, new_keys, batch, inherited, split_of_origin, parent),
        )
        if current_workspace().shares_documents:
            _record_exclusions(document.excluded)
        return document

    def _method(self, batch: LabelBatch, parent: DatasetDoc | None) -> MethodIdentity:
        """Return the method of the dataset."""
        if self.reference is not None:
            return reference_method(self.reference).identity
        method = batch.method or (parent.method if parent else None)
        if method is None:
            raise InputError(
                "the labels are by several methods; a dataset has labels of one method. Hint: make one dataset of each, "
                "or set `reference`"
            )
        return method

    def _assemble(
        self,
        key: str,
        identity: MethodIdentity,
        new_keys: Sequence[str],
        batch: LabelBatch,
        inherited: list[Atoms],
        split_of_origin: dict[Origin, Split],
        parent: DatasetDoc | None,
    ) -> DatasetDoc:
        frames = list(inherited)
        labels = {label.key: label for label in load_labels(batch, new_keys)}
        for label_key in new_keys:
            label = labels.get(label_key)
            if label is None:
                raise InputError(
                    f"label {label_key} of a finished job is missing in the ledger. Hint: resume the campaign"
                )
            if label.method_key != identity.key:
                raise InputError(
                    f"label {label_key} is by {label.method_name} ({label.method_key}), the dataset by "
                    f"{identity.name} ({identity.key}); a dataset has labels of one method. Hint: label the "
                    "structures again"
                )
            origin = batch.origins[label_key]
            frames.append(labelled_atoms(label, origin, split_of_origin[origin]))
        if not frames:
            raise InputError(
                f"there is nothing to train on: {rejections(batch)}. Hint: {query_command('labels --rejected')} lists "
                "them"
            )
        excluded = self._drop_repeated(frames, len(inherited)) + self._drop_outliers(frames)
        _record_exclusions(excluded)
        notes = [f"label {each.label_key} ({each.origin}) excluded: {each.explanation}" for each in excluded]
        if batch.n_lost_jobs:
            notes.append(
                f"{batch.n_lost_jobs} label jobs failed and their labels are missing. Hint: interphase query failures, "
                "then interphase resume"
            )
        frames.sort(key=lambda f: (SPLITS.index(f.info["split"]), f.info["origin"], f.info["label_key"]))
        train = frames_of_split(frames, "train")
        solids = [frame for frame in train if not Origin(frame.info["origin"]).is_isolated]
        if len(train) < 2 or not frames_of_split(frames, "validation") or not frames_of_split(frames, "test"):
            cause = f" ({rejections(batch)})" if batch.rejected else ""
            raise InputError(
                f"the dataset would have {len(train)} training frames and an empty split{cause}. Hint: label at least "
                "three origins of one family; in a campaign, set structures.interfaces.snapshots.temperatures_K, or "
                "initial_labels.keys.origin to the entry of imported frames that states which belong together"
            )
        return DatasetDoc(
            key=key,
            parent_key=parent.key if parent else None,
            method=identity,
            n_frames={side: len(frames_of_split(frames, side)) for side in SPLITS},
            n_imported=(parent.n_imported if parent else 0) + _n_imported(frames) - _n_imported(inherited),
            split_of_origin=split_of_origin,
            baseline=parent.baseline if parent else fit_baseline(solids or train, self.cutoff_angstrom),
            artifact=current_workspace().artifacts.put_bytes(extxyz_bytes(frames), "datasets", ".extxyz"),
            notes=notes,
            excluded=excluded,
        )

    def _drop_repeated(self, frames: list[Atoms], n_inherited: int) -> list[ExcludedLabel]:
        """Remove new frames that repeat an earlier one in any split, and return them with the reason.

        Frames of the parent stay, even if they repeat each other: a dataset is extended, never changed.
        """
        twins = find_duplicates(frames, self.gates.duplicate_tolerance_angstrom)
        excluded = []
        for index, first in sorted(twins.items(), reverse=True):
            if index >= n_inherited:
                info = frames[first].info
                reason = f"repeats label {info['label_key']} ({info['origin']}) up to orientation and order of atoms"
                excluded.append(_excluded(frames.pop(index), "duplicate", reason))
        return excluded

    def _drop_outliers(self, frames: list[Atoms]) -> list[ExcludedLabel]:
        """Remove frames whose energy is far from the fit to their composition, and return them with the reason."""
        checked = [index for index, frame in enumerate(frames) if not Origin(frame.info["origin"]).is_isolated]
        if not checked:
            return []
        solids = [frames[index] for index in checked]
        elements = sorted({symbol for frame in solids for symbol in frame.symbols})
        outliers = self.gates.energy_outliers(
            composition_matrix(solids, elements), np.array([f.get_potential_energy() for f in solids])
        )
        reason = f"energy per atom is over {self.gates.energy_window_eV_per_atom} eV from the fit to its composition"
        return [
            _excluded(frames.pop(checked[index]), "energy_window", reason) for index in np.flatnonzero(outliers)[::-1]
        ]


def _n_imported(frames: Sequence[Atoms]) -> int:
    return sum(IS_IMPORTED in frame.info for frame in frames)


def _excluded(frame: Atoms, reason: str, explanation: str) -> ExcludedLabel:
    info = frame.info
    return ExcludedLabel(label_key=info["label_key"], origin=info["origin"], reason=reason, explanation=explanation)


def _record_exclusions(excluded: Sequence[ExcludedLabel]) -> None:
    """Record as failures of this campaign which labels a dataset excludes, also if another campaign made it."""
    ledger = current_workspace().ledger
    for each in excluded:
        found = ledger.failure("labels", each.label_key) or {}  # of a label that was retried, with another reason
        if found.get("reason") != each.reason or ledger.campaign not in found.get("used_by", []):
            ledger.record_failure("labels", each.label_key, each.reason, {"explanation": each.explanation})
