"""Jobs that label structures with the reference method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ase import Atoms
from jobflow import Flow, Maker, OnMissing, Response, job

from interphase_flows.campaign.schema import GateSpec
from interphase_flows.costs.history import label_cost_model
from interphase_flows.costs.model import label_size, pack_by_cost, told_duration
from interphase_flows.datasets.duplicates import find_duplicates
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.label_structure import KIND, cached_label, label_key, unlabelled
from interphase_flows.jobs.structure_sets import load_set, part_of_set
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.runtime.progress import SCF, emit, listening
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.label import LabelBatch, LabelDoc, MethodIdentity
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace

MOST_JOBS = 300
"""Beyond about so many jobs in a set, jobs get longer instead of more: a queue and its database bear no more."""


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
                label = cached_label(method, gates, atoms, entry)
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
        label = cached(KIND, refused.key, LabelDoc, partial(LabelDoc.model_validate, refused.model_dump()))
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
