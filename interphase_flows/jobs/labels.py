"""Jobs that label structures with the reference method."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from jobflow import Flow, Maker, Response, job

from interphase_flows.campaigns.schema import GateSpec
from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.documents.artifact import ArtifactRef
from interphase_flows.documents.records import LabelBatch, LabelDoc, StructureEntry, StructureSetDoc
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.once import once
from interphase_flows.jobs.structure_sets import load_set
from interphase_flows.keys import content_key
from interphase_flows.progress import emit
from interphase_flows.references.labelling import ReferenceMethod
from interphase_flows.references.registry import reference_method
from interphase_flows.references.spec import ChgnetSpec, MethodSpec
from interphase_flows.storage.archive import SUFFIX, archive_bytes
from interphase_flows.storage.workspace import current_workspace

KIND = "labels"


def label_key(structure_key: str, method_key: str, gates: Gates) -> str:
    """Return the content key of a label: what was labelled, by what, and what it had to pass."""
    return content_key(
        KIND,
        structure=structure_key,
        method=method_key,
        # the window of energies is judged later, where there is something to compare with
        max_force_ev_per_angstrom=gates.max_force_ev_per_angstrom,
        min_distance_fraction=gates.min_distance_fraction,
    )


def label_structure(
    method: ReferenceMethod,
    gates: Gates,
    atoms: Atoms,
    entry: StructureEntry,
    folder: Path | None = None,
    keep: Callable[[Sequence[Path]], ArtifactRef | None] = lambda files: None,
) -> LabelDoc:
    """Label one structure; whatever goes wrong becomes a rejected label with its reason.

    Parameters
    ----------
    method, gates
        What labels, and what a label has to pass.
    atoms, entry
        The structure and its place in a set.
    folder
        Work folder of this label: where a killed calculation goes on.
    keep
        Puts inputs and logs where they can be found again.

    Raises
    ------
    WalltimeReachedError
        Time ran out; nothing is recorded, and the next launch goes on.
    """
    identity = method.identity
    document = LabelDoc(
        key=label_key(entry.key, identity.key, gates),
        structure_key=entry.key,
        origin=entry.origin,
        formula=entry.formula,
        method_name=identity.name,
        method_key=identity.key,
        is_surrogate=identity.is_surrogate,
        status="rejected",
        numbers=atoms.numbers.tolist(),
        cell=atoms.cell.tolist(),
        positions=atoms.positions.tolist(),
    )

    started = time.monotonic()

    def rejected(rejection: Rejection, **recorded: Any) -> LabelDoc:
        return document.model_copy(
            update={
                "reason": rejection.reason,
                "explanation": rejection.explanation,
                "wall_time_s": time.monotonic() - started,
                **recorded,
            }
        )

    before = gates.before(atoms)
    if before:
        return rejected(before)
    try:
        raw = method.label(atoms, folder)
    except ReferenceMethodError as error:
        return rejected(
            Rejection(error.reason, str(error)),
            corrections=list(error.corrections),
            files=keep(error.files),
        )
    recorded = {
        "is_scf_converged": raw.is_scf_converged,
        "corrections": list(raw.corrections),
        "details": raw.details,
        "files": keep(raw.files),
    }
    after = gates.after(atoms, raw)
    if after:
        return rejected(after, **recorded)
    return document.model_copy(
        update={
            "status": "accepted",
            "energy_ev": raw.energy_ev,
            "forces_ev_per_angstrom": raw.forces_ev_per_angstrom.tolist(),
            "stress_ev_per_angstrom3": raw.stress_ev_per_angstrom3.tolist(),
            "wall_time_s": time.monotonic() - started,
            **recorded,
        }
    )


def keep_files(files: Sequence[Path]) -> ArtifactRef | None:
    """Store inputs and logs of a label as one artifact."""
    if not files:
        return None
    return current_workspace().artifacts.put_bytes(archive_bytes(files), "label_files", SUFFIX)


def label_once(method: ReferenceMethod, gates: Gates, atoms: Atoms, entry: StructureEntry) -> LabelDoc:
    """Look a label up, or compute it in a work folder that lasts until the label is in the ledger."""
    key = label_key(entry.key, method.identity.key, gates)
    folder = current_workspace().work_folder(KIND, key)
    compute = partial(label_structure, method, gates, atoms, entry, folder, keep_files)
    label = once(KIND, key, LabelDoc, compute)
    shutil.rmtree(folder, ignore_errors=True)
    return label


@dataclass
class LabelMaker(Maker):
    """Label a few structures of a set, one after the other.

    Parameters
    ----------
    reference
        Reference method.
    gates
        Limits beyond which a label never trains.
    """

    name: str = "label"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    gates: GateSpec = field(default_factory=GateSpec)

    @job(output_schema=LabelBatch)
    def make(self, structures: StructureSetDoc, indices: Sequence[int]) -> LabelBatch:
        """Return which labels were accepted and which rejected; each is a document of its own."""
        settings = current_workspace().settings
        method = reference_method(self.reference, settings)
        gates = Gates(**self.gates.model_dump())
        frames = load_set(structures)
        batch = LabelBatch(accepted=[], rejected=[], origins={})
        for done, index in enumerate(indices, start=1):
            atoms, entry = frames[index], structures.entries[index]
            label = label_once(method, gates, atoms, entry)
            (batch.accepted if label.status == "accepted" else batch.rejected).append(label.key)
            batch.origins[label.key] = entry.origin
            emit("labels", done, len(indices), entry.formula)
        return batch


@dataclass
class LabelSetMaker(Maker):
    """Label a whole set: as many jobs as the set, when it is known, turns out to need.

    Parameters
    ----------
    label_maker
        Makes one job.
    labels_per_job
        Cheap labels are packed, dear ones get a job each.
    """

    name: str = "label set"
    label_maker: LabelMaker = field(default_factory=LabelMaker)
    labels_per_job: int = 25

    @job
    def make(self, structures: StructureSetDoc) -> Response | LabelBatch:
        """Replace this job by the labelling jobs and one that gathers them."""
        n = len(structures.entries)
        if n == 0:
            return LabelBatch(accepted=[], rejected=[], origins={})
        jobs = [
            self.label_maker.make(structures, list(range(start, min(start + self.labels_per_job, n))))
            for start in range(0, n, self.labels_per_job)
        ]
        gather = gather_labels([each.output for each in jobs])
        return Response(replace=Flow([*jobs, gather], output=gather.output, name=f"{n} labels"))


@job(output_schema=LabelBatch)
def gather_labels(batches: Sequence[LabelBatch]) -> LabelBatch:
    """Join what labelling jobs handed on."""
    joined = LabelBatch(accepted=[], rejected=[], origins={})
    for batch in batches:
        joined.accepted += batch.accepted
        joined.rejected += batch.rejected
        joined.origins |= batch.origins
    return joined
