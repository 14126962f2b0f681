"""Jobs that label structures with the reference method."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from jobflow import Flow, Maker, OnMissing, Response, job

from interphase_flows.campaigns.schema import GateSpec
from interphase_flows.datasets.duplicates import find_duplicates
from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.documents.artifact import ArtifactRef
from interphase_flows.documents.records import (
    LabelBatch,
    LabelDoc,
    MethodIdentity,
    StructureEntry,
    StructureSetDoc,
)
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.once import once
from interphase_flows.jobs.structure_sets import load_set, part_of_set
from interphase_flows.keys import content_key
from interphase_flows.progress import SCF, emit, listening
from interphase_flows.references.cost import label_size, pack_by_cost, told_duration
from interphase_flows.references.deadline import deadline
from interphase_flows.references.labelling import ReferenceMethod
from interphase_flows.references.registry import reference_method
from interphase_flows.references.spec import ChgnetSpec, MethodSpec
from interphase_flows.storage.archive import SUFFIX, archive_bytes
from interphase_flows.storage.label_costs import label_cost_model
from interphase_flows.storage.workspace import current_workspace

KIND = "labels"

MOST_JOBS = 300
"""Beyond about so many jobs in a set, jobs get longer instead of more: a queue and its database bear no more."""


def label_key(structure_key: str, method_key: str, gates: Gates, repeats: str | None = None) -> str:
    """Return the content key of a label: what was labelled, by what, and what it had to pass.

    A structure that ``repeats`` another of its set (the key of that one's label) is refused under a key of its
    own: where it comes first, in another set or campaign, it is labelled.
    """
    return content_key(
        KIND,
        structure=structure_key,
        method=method_key,
        # the window of energies is judged later, where there is something to compare with
        max_force_ev_per_angstrom=gates.max_force_ev_per_angstrom,
        min_distance_fraction=gates.min_distance_fraction,
        max_virial_ev_per_atom=gates.max_virial_ev_per_atom,
        max_net_force_ev_per_angstrom=gates.max_net_force_ev_per_angstrom,
        max_asymmetry_ev_per_angstrom=gates.max_asymmetry_ev_per_angstrom,
        repeats=repeats,
    )


def unlabelled(
    identity: MethodIdentity, gates: Gates, atoms: Atoms, entry: StructureEntry, repeats: str | None = None
) -> LabelDoc:
    """Return the label of a structure before there are any numbers: rejected, without a reason."""
    return LabelDoc(
        key=label_key(entry.key, identity.key, gates, repeats),
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
    document = unlabelled(method.identity, gates, atoms, entry)
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
    """Look a label up, or compute it in a work folder that lasts until the label is in the ledger.

    Raises
    ------
    WalltimeReachedError
        Time ran out; also while another process computed this label.
    """
    workspace = current_workspace()
    key = label_key(entry.key, method.identity.key, gates)
    end = deadline(workspace.settings)
    # the folder is this process's until the label is on record: another one would write into what is removed here
    with workspace.own_work_folder(KIND, key, lambda: end.check(f"the label of {entry.formula}")) as folder:
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
    def make(
        self, structures: StructureSetDoc, indices: Sequence[int], expected_s: Sequence[float] | None = None
    ) -> LabelBatch:
        """Return which labels were accepted and which rejected; each is a document of its own.

        Parameters
        ----------
        structures, indices
            A set, and which of it are labelled.
        expected_s
            How long each should take; by the labels of the ledger if None, which a job of many should not ask again.

        Raises
        ------
        WalltimeReachedError
            Time ran out: no label is begun after it, and those that are done are on record.
        """
        settings = current_workspace().settings
        end = deadline(settings)
        method = reference_method(self.reference, settings)
        gates = Gates(**self.gates.model_dump())
        frames = load_set(structures)
        if expected_s is None:
            model = label_cost_model(current_workspace().ledger, self.reference, method.identity.key)
            expected_s = [model.estimate_s(label_size(self.reference, frames[index])) for index in indices]
        batch = LabelBatch(accepted=[], rejected=[], origins={})
        for done, index in enumerate(indices):
            atoms, entry = frames[index], structures.entries[index]
            emit("labels", done, len(indices), f"{entry.formula}, about {told_duration(expected_s[done])}")
            end.check(f"the label of {entry.formula}")
            with listening(partial(_tell_scf_steps, done, len(indices))):
                label = label_once(method, gates, atoms, entry)
            (batch.accepted if label.status == "accepted" else batch.rejected).append(label.key)
            batch.origins[label.key] = entry.origin
        emit("labels", len(indices), len(indices))
        return batch


def _tell_scf_steps(n_done: int, n_labels: int, stage: str, step: int, max_steps: int, detail: str) -> None:
    """Tell the SCF steps of a label as progress of the labels."""
    if stage == SCF:
        emit("labels", n_done, n_labels, f"{detail}, SCF step {step} of at most {max_steps}")


@dataclass
class LabelSetMaker(Maker):
    """Label a whole set: as many jobs as the set, when it is known, turns out to need.

    A structure that repeats an earlier one of the set is not paid for.  Labels are packed into jobs by what they
    should cost, cheapest first; how they are packed changes no key and no data set.

    Parameters
    ----------
    label_maker
        Makes one job.
    labels_per_job
        Largest number of labels in a job.
    target_s_per_job
        As long as a job should take: cheap labels share one, a dear one is alone.
    """

    name: str = "label set"
    label_maker: LabelMaker = field(default_factory=LabelMaker)
    labels_per_job: int = 25
    target_s_per_job: float = 600.0

    @job
    def make(self, structures: StructureSetDoc) -> Response | LabelBatch:
        """Replace this job by the labelling jobs and one that gathers them."""
        if not structures.entries:
            return LabelBatch(accepted=[], rejected=[], origins={})
        maker = self.label_maker
        identity = reference_method(maker.reference, current_workspace().settings).identity
        frames = load_set(structures)
        twins = find_duplicates(frames, maker.gates.duplicate_tolerance_angstrom)
        repeated = refuse_duplicates(structures, frames, twins, identity, Gates(**maker.gates.model_dump()))
        kept = [index for index in range(len(frames)) if index not in twins]
        sizes = [label_size(maker.reference, frames[index]) for index in kept]
        model = label_cost_model(current_workspace().ledger, maker.reference, identity.key)
        costs_s = [model.estimate_s(size) for size in sizes]
        target_s = max(self.target_s_per_job, sum(costs_s) / MOST_JOBS)
        packs = pack_by_cost(costs_s, target_s, self.labels_per_job)
        jobs = [
            maker.make(
                part_of_set(structures, [kept[place] for place in pack]),
                list(range(len(pack))),
                [costs_s[place] for place in pack],
            )
            for pack in packs
        ]
        expected = model.estimate(sizes)
        emit(
            "labels",
            0,
            len(kept),
            f"about {told_duration(expected.cost_s)}, within a factor of {expected.factor:.1f}",
        )
        gather = gather_labels([repeated, *(each.output for each in jobs)])
        # a job that failed in a way nobody foresaw is a failure on record, not the end of the campaign
        gather.config.on_missing_references = OnMissing.NONE
        return Response(replace=Flow([*jobs, gather], output=gather.output, name=f"{len(kept)} labels"))


def refuse_duplicates(
    structures: StructureSetDoc,
    frames: Sequence[Atoms],
    twins: Mapping[int, int],
    identity: MethodIdentity,
    gates: Gates,
) -> LabelBatch:
    """Record the structures of a set that repeat an earlier one as rejected labels, which cost nothing.

    What is in the ledger by chance, from other sets, is not compared: the same campaign has to take
    the same decisions whenever it is run.
    """
    batch = LabelBatch(accepted=[], rejected=[], origins={})
    for index, first in sorted(twins.items()):
        entry, original = structures.entries[index], structures.entries[first]
        repeats = label_key(original.key, identity.key, gates)
        blank = unlabelled(identity, gates, frames[index], entry, repeats)
        refused = blank.model_copy(
            update={
                "reason": "duplicate",
                "explanation": f"{entry.formula} number {index} of the set {structures.name!r} is number {first} "
                f"({original.origin}, label {repeats}) in another orientation, place or order of atoms: within "
                f"{gates.duplicate_tolerance_angstrom} Å",
                "details": {"repeats_label": repeats},
            }
        )
        label = once(KIND, refused.key, LabelDoc, partial(LabelDoc.model_validate, refused.model_dump()))
        batch.rejected.append(label.key)
        batch.origins[label.key] = entry.origin
    return batch


@job(output_schema=LabelBatch)
def gather_labels(batches: Sequence[LabelBatch | None]) -> LabelBatch:
    """Join what labelling jobs handed on, in an order that does not depend on how they were packed.

    Parameters
    ----------
    batches
        None where a job failed.

    Raises
    ------
    ReferenceMethodError
        Jobs failed and no label was accepted: what fails them all is no accident of one structure, and a loop that
        goes on would spend its iterations on data sets without a new label.
    """
    there = [batch for batch in batches if batch is not None]
    n_lost = len(batches) - len(there)
    if n_lost and not any(batch.accepted for batch in there):
        raise ReferenceMethodError(
            f"{n_lost} labelling jobs failed and no label was accepted; see the reasons: interphase query failures"
        )
    origins = {key: origin for batch in there for key, origin in batch.origins.items()}
    return LabelBatch(
        accepted=sorted({key for batch in there for key in batch.accepted}),
        rejected=sorted({key for batch in there for key in batch.rejected}),
        origins=dict(sorted(origins.items())),
        n_lost_jobs=n_lost,
    )
