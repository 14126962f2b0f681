"""The job that imports labelled frames of other programs as a dataset."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ase import Atoms

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.baseline import fit_baseline
from interphase_flows.datasets.frames import IS_IMPORTED, extxyz_bytes, frames_of_split
from interphase_flows.datasets.importing import labelled_frames, split_frames
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.datasets import KIND
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.reference.labelling import method_identity
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.schemas.dataset import SPLITS, DatasetDoc
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.schemas.origin import Origin
from interphase_flows.storage.workspace import current_workspace

LabelledFrames: TypeAlias = str | Atoms | Sequence[str | Atoms]
"""Path of a file of labelled frames, frames with energy and forces, or several of these."""


@dataclass
class ImportDatasetMaker(JobMaker):
    """Import labelled frames as a dataset with a split and a baseline.

    Frames need energy (eV) and forces (eV/Å); without stress (eV/Å³) train with ``TrainingSpec(stress_weight=0)``.
    ``info["split"]`` is kept; without it frames are split by ``info["origin"]``, else at random.

    Parameters
    ----------
    method
        Name of the method that computed the labels, or the spec or identity of a reference method, to which labels of
        that method can then be added.
    seed, validation_fraction, test_fraction
        Of the split.
    cutoff_angstrom
        Cutoff of the potential, for the mean number of neighbours in the baseline.
    """

    name: str = "import dataset"
    method: str | MethodSpec | MethodIdentity = "imported"
    seed: int = 0
    validation_fraction: float = 0.15
    test_fraction: float = 0.15
    cutoff_angstrom: float = 5.0

    @open_job(output_schema=DatasetDoc)
    def make(self, frames: LabelledFrames) -> DatasetDoc:
        """Return the dataset of files, or of a list of frames (files if there are many: a job is stored with its frames).

        Raises
        ------
        InputError
            A file or a label is missing, or the frames do not fill all sides of the split.
        """
        return self.dataset(frames)

    def dataset(self, frames: LabelledFrames) -> DatasetDoc:
        """Return the dataset, inside a job."""
        if isinstance(self.method, MethodIdentity):
            identity = self.method
        elif isinstance(self.method, MethodSpec):
            identity = reference_method(self.method).identity
        else:
            identity = method_identity(self.method, self.method, "", {})
        found, notes = labelled_frames([frames] if isinstance(frames, str | Atoms) else frames, identity)
        split_of_origin = split_frames(found, self.seed, self.validation_fraction, self.test_fraction)
        found.sort(key=lambda f: (SPLITS.index(f.info["split"]), f.info["origin"], f.info["label_key"]))
        digest = hashlib.sha256(extxyz_bytes(found)).hexdigest()
        key = content_key(KIND, method=identity.key, frames=digest, cutoff_angstrom=self.cutoff_angstrom)

        def compute() -> DatasetDoc:
            for frame in found:
                frame.info[IS_IMPORTED] = True
            train = frames_of_split(found, "train")
            solids = [frame for frame in train if not Origin(frame.info["origin"]).is_isolated]
            return DatasetDoc(
                key=key,
                parent_key=None,
                method=identity,
                n_frames={side: len(frames_of_split(found, side)) for side in SPLITS},
                n_imported=len(found),
                split_of_origin=split_of_origin,
                baseline=fit_baseline(solids or train, self.cutoff_angstrom),
                artifact=current_workspace().artifacts.put_bytes(extxyz_bytes(found), "datasets", ".extxyz"),
                notes=notes,
            )

        return cached(KIND, key, DatasetDoc, compute)


def as_dataset(dataset: DatasetDoc | LabelledFrames, cutoff_angstrom: float = 5.0) -> DatasetDoc:
    """Return a dataset, imported from a file or frames if need be."""
    if isinstance(dataset, DatasetDoc):
        return dataset
    return ImportDatasetMaker(cutoff_angstrom=cutoff_angstrom).dataset(dataset)
