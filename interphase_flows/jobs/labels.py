"""Jobs that label structures with the reference method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ase import Atoms
from jobflow import Flow, OnMissing, Response, job

from interphase_flows.costs.history import label_cost_model
from interphase_flows.costs.model import format_duration, label_size, pack_by_cost
from interphase_flows.datasets.duplicates import find_duplicates
from interphase_flows.datasets.gates import LEFT_OUT, Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.jobs.label_batches import label_batch, rejections
from interphase_flows.jobs.label_structure import KIND, cached_label, label_key, unlabelled
from interphase_flows.jobs.structures.structure_sets import Structures, as_set, load_set, part_of_set
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.runtime.local_workers import local_workers
from interphase_flows.runtime.progress import SCF, ProgressEvent, emit, listening
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.label import LabelBatch, LabelDoc, MethodIdentity
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.failures import failure_groups
from interphase_flows.storage.ledger_backend import Criteria
from interphase_flows.storage.workspace import current_workspace

MOST_JOBS = 300
"""Approximate maximum number of label jobs of a set; larger sets get longer jobs, to limit the load on the queue."""


MAX_CAUSES = 3
JOBS_PER_WORKER = 4
MIN_TARGET_S = 1.0
"""A local job takes less than 0.1 s to start."""


@dataclass
class LabelMaker(JobMaker):
    """Label some structures, one after the other.

    For a method of your own, override `reference_method`.
    """

    name: str = "label structures"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    gates: Gates = field(default_factory=Gates)

    @open_job(output_schema=LabelBatch)
    def make(
        self,
        structures: Structures,
        indices: Sequence[int] | None = None,
        expected_s: Sequence[float] | None = None,
    ) -> LabelBatch:
        """Return the keys of accepted and rejected labels; each label is a separate document.

        Parameters
        ----------
        structures
            A set of structures, or one or several structures; ``info["origin"]`` of a structure is its origin.
        indices
            Structures of the set to label; all by default.
        expected_s
            Expected time of each label (s); None estimates it from the labels in the ledger.

        Raises
        ------
        WalltimeReachedError
            The walltime was reached; finished labels are recorded, and no further label starts.
        """
        end = deadline(current_workspace().settings)
        method = self.reference_method()
        structures = as_set(structures)
        frames = load_set(structures)
        indices = range(len(frames)) if indices is None else indices
        if expected_s is None:
            model = label_cost_model(current_workspace().ledger, self.reference, method.identity.key)
            expected_s = [model.estimate_s(label_size(self.reference, frames[index])) for index in indices]
        labels = []
        for done, index in enumerate(indices):
            atoms, entry = frames[index], structures.entries[index]
            emit("labels", done, len(indices), f"{entry.formula}, about {format_duration(expected_s[done])}")
            end.check(f"the label of {entry.formula}")
            with listening(partial(_emit_scf_step, done, len(indices))):
                labels.append((cached_label(method, self.gates, atoms, entry), entry.origin))
        emit("labels", len(indices), len(indices))
        return label_batch(labels, method.identity)

    def reference_method(self) -> ReferenceMethod:
        """Return the method that computes the labels, by default that of ``reference``."""
        return reference_method(self.reference, current_workspace().settings)


def _emit_scf_step(n_done: int, n_labels: int, event: ProgressEvent) -> None:
    """Report the SCF steps of a label as progress of the labels."""
    if event.stage == SCF:
        emit("labels", n_done, n_labels, f"{event.detail}, SCF step {event.done} of at most {event.total}")


@dataclass
class LabelSetMaker(JobMaker):
    """Label all structures of a set, in jobs of similar duration.

    A structure that repeats an earlier one of the set is rejected without a calculation. Labels are packed into jobs by
    their expected cost, cheapest first: cheap labels share a job of about ``target_s_per_job`` seconds, an expensive
    label has a separate one. The packing changes no key and no dataset.
    """

    name: str = "label set"
    label_maker: LabelMaker = field(default_factory=LabelMaker)
    labels_per_job: int = 25
    target_s_per_job: float = 600.0

    @open_job()
    def make(self, structures: Structures) -> Response | LabelBatch:
        """Replace this job by label jobs and a job that merges their results."""
        structures = as_set(structures)
        maker = self.label_maker
        identity = maker.reference_method().identity
        if not structures.entries:
            return label_batch([], identity)
        frames = load_set(structures)
        twins = find_duplicates(frames, maker.gates.duplicate_tolerance_angstrom)
        repeated = reject_duplicates(structures, frames, twins, identity, maker.gates)
        kept = [index for index in range(len(frames)) if index not in twins]
        sizes = [label_size(maker.reference, frames[index]) for index in kept]
        model = label_cost_model(current_workspace().ledger, maker.reference, identity.key)
        costs_s = [model.estimate_s(size) for size in sizes]
        packs = pack_by_cost(costs_s, self._target_s(sum(costs_s)), self.labels_per_job)
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
            f"about {format_duration(expected.cost_s)}, within a factor of {expected.factor:.1f}",
        )
        gather = gather_labels([repeated, *(each.output for each in jobs)])
        gather.name = "merge labels"
        # an unexpected failure of one job is recorded and does not end the campaign
        gather.config.on_missing_references = OnMissing.NONE
        return Response(replace=Flow([*jobs, gather], output=gather.output, name=f"{len(kept)} labels"))

    def _target_s(self, total_s: float) -> float:
        """Return the largest expected time of a job with several labels."""
        target_s = max(self.target_s_per_job, total_s / MOST_JOBS)
        if local_workers() == 1:
            return target_s
        # several jobs for each worker, so that all are busy until the set is nearly finished
        return min(target_s, max(total_s / (JOBS_PER_WORKER * local_workers()), MIN_TARGET_S))


def reject_duplicates(
    structures: StructureSetDoc,
    frames: Sequence[Atoms],
    twins: Mapping[int, int],
    identity: MethodIdentity,
    gates: Gates,
) -> LabelBatch:
    """Record structures that repeat an earlier one of the set as rejected labels.

    Labels of other sets in the ledger are not compared: a campaign must take the same decisions whenever it runs.
    """
    labels = []
    for index, first in sorted(twins.items()):
        entry, original = structures.entries[index], structures.entries[first]
        repeats = label_key(original.key, identity.key, gates)
        blank = unlabelled(identity, gates, frames[index], entry, repeats)
        duplicate = blank.model_copy(
            update={
                "reason": "duplicate",
                "explanation": f"{entry.formula} number {index} of the set {structures.name!r} equals number {first} "
                f"({original.origin}, label {repeats}) up to orientation, position and order of atoms, within "
                f"{gates.duplicate_tolerance_angstrom} Å",
                "details": {"repeats_label": repeats},
            }
        )
        label = cached(KIND, duplicate.key, LabelDoc, partial(LabelDoc.model_validate, duplicate.model_dump()))
        labels.append((label, entry.origin))
    return label_batch(labels, identity)


def _causes(batches: Sequence[LabelBatch]) -> str:
    """Return why jobs of labels failed, the latest first, and why the labels of others were rejected."""
    ledger = current_workspace().ledger
    criteria: Criteria = {
        "campaign": ledger.campaign,
        "failed_kind": {"$in": ["labels", "jobs"]},
        "reason": {"$nin": list(LEFT_OUT)},
    }
    causes = [group.summary for group in failure_groups(ledger, criteria, latest_first=True)[:MAX_CAUSES]]
    causes += [rejections(batch) for batch in batches if batch.rejected][:MAX_CAUSES]
    return "; ".join(causes) or "no failure is recorded"


@job(output_schema=LabelBatch)
def gather_labels(batches: Sequence[LabelBatch | None]) -> LabelBatch:
    """Merge the results of label jobs, in an order that does not depend on the packing.

    Raises
    ------
    ReferenceMethodError
        Jobs failed and no label was accepted: the cause is not a single structure, and the loop would spend its
        remaining iterations on datasets without a new label.
    """
    finished = [batch for batch in batches if batch is not None]
    n_lost = len(batches) - len(finished)
    if n_lost and not any(batch.accepted for batch in finished):
        raise ReferenceMethodError(
            f"{n_lost} label jobs failed and no label was accepted: {_causes(finished)}. Hint: "
            f"{query_command('failures')} lists all"
        )
    methods = [batch.method for batch in finished]
    origins = {key: origin for batch in finished for key, origin in batch.origins.items()}
    return LabelBatch(
        accepted=sorted({key for batch in finished for key in batch.accepted}),
        rejected=sorted({key for batch in finished for key in batch.rejected}),
        origins=dict(sorted(origins.items())),
        n_lost_jobs=n_lost,
        method=methods[0] if methods and all(method == methods[0] for method in methods) else None,
        documents=[ref for batch in finished for ref in batch.documents],
    )
