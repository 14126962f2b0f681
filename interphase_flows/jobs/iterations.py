"""The job that ends an iteration: evaluate exploration and committee, and decide what follows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobflow import job

from interphase_flows.campaign.anion_chemistry import chemistry_of_frames
from interphase_flows.campaign.schema import AnalysisSpec, LearningSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.jobs.stopping_criteria import Evidence, LoopDecision, decide
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.origin import AUDIT
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace

if TYPE_CHECKING:
    from interphase_flows.potentials.label_effects import LabelEffects  # slow import


def fraction_above(segments: Sequence[SegmentDoc], level_eV_per_angstrom: float) -> float | None:
    """Return the fraction of evaluated frames at or above an uncertainty level, None without frames."""
    values = [u for segment in segments for u in segment.uncertainty_eV_per_angstrom]
    return sum(u >= level_eV_per_angstrom for u in values) / len(values) if values else None


@dataclass
class IterationMaker(JobMaker):
    """Record one iteration of the active-learning loop and decide whether it continues.

    ``analysis`` has elements and bonds of the molecular anions, by which uncertain environments are named; by default
    they are derived from the frames.
    """

    name: str = "iteration"
    learning: LearningSpec = field(default_factory=LearningSpec)
    analysis: AnalysisSpec = field(default_factory=AnalysisSpec)

    @job(output_schema=IterationDoc)
    def make(
        self,
        index: int,
        dataset: DatasetDoc,
        committee: CommitteeDoc,
        explorer: CommitteeDoc | None,
        segments: Sequence[SegmentDoc | None],
        batch: LabelBatch | DatasetDoc,
        history: Sequence[IterationDoc],
    ) -> IterationDoc:
        """Evaluate exploration, new labels and new committee, and return the decision.

        ``explorer`` is the committee that ran the segments, None in iteration 0; ``dataset`` and ``committee`` are the
        extended dataset and the committee trained on it. The segment of a failed job is None. ``batch`` is the dataset
        if the loop started from one, so that no label is new.
        """
        if not isinstance(batch, LabelBatch):
            batch = LabelBatch(accepted=[], rejected=[], origins={})
        finished = [s for s in segments if s is not None]
        key = content_key(
            "iterations",
            index=index,
            committee=committee.key,
            dataset=dataset.key,
            segments=[s.key for s in finished],
            n_walkers=len(segments),
            labels=sorted(batch.accepted + batch.rejected),
            learning=self.learning,
            previous=history[-1].key if history else None,
        )

        def compute() -> IterationDoc:
            effects = self._effects(dataset, explorer, committee, batch)
            fresh = effects.audit
            audited = [s for s in finished if s.role in ("audit", "production")]
            fraction = fraction_above(audited, explorer.select_force_std_eV_per_angstrom) if explorer else None
            n_total = sum(dataset.n_frames.values())
            verdict = self.decide(
                Evidence(
                    iteration=index,
                    n_labels=n_total - dataset.n_imported,
                    fraction_above_select=fraction,
                    fresh_force_mae_meV_per_angstrom=fresh.forces_mae_meV_per_angstrom if fresh else None,
                    previous_met_targets=bool(history) and history[-1].targets_met,
                    # a missing segment is a failed job, and may have been an audit walker
                    all_walkers_finished=len(finished) == len(segments)
                    and all(s.stop_reason == "finished" for s in audited),
                ),
                history,
            )
            return IterationDoc(
                key=key,
                index=index,
                dataset_key=dataset.key,
                committee_key=committee.key,
                first_checkpoint=committee.models[0].checkpoint,
                explored_with=explorer.key if explorer else None,
                n_labels_new=len(batch.accepted),
                n_labels_rejected=len(batch.rejected),
                n_labels_total=n_total,
                n_train=dataset.n_frames["train"],
                errors=committee.errors,
                fresh_audit_errors=fresh,
                calibration=committee.calibration,
                select_force_std_eV_per_angstrom=committee.select_force_std_eV_per_angstrom,
                stop_force_std_eV_per_angstrom=committee.stop_force_std_eV_per_angstrom,
                fraction_above_select=fraction,
                targets_met=verdict.targets_met,
                stop_reasons={s.run_id: s.stop_reason for s in finished},
                decision=verdict.decision,
                reason=verdict.reason,
                error_changes=effects.changes,
                environments=effects.environments,
            )

        document = cached("iterations", key, IterationDoc, compute)
        error = document.errors["interface"] if "interface" in document.errors else document.errors["test"]
        emit(
            "iteration",
            index,
            max(index, self.learning.max_iterations),
            f"{document.n_labels_total} labels, held-out forces {error.forces_mae_meV_per_angstrom:.0f} meV/Å, "
            f"energy {error.energy_mae_meV_per_atom:.0f} meV/atom: {document.decision}",
        )
        return document

    def decide(self, evidence: Evidence, history: Sequence[IterationDoc]) -> LoopDecision:
        """Decide whether another iteration follows those before."""
        return decide(self.learning, evidence)

    def _effects(
        self, dataset: DatasetDoc, explorer: CommitteeDoc | None, committee: CommitteeDoc, batch: LabelBatch
    ) -> "LabelEffects":
        """Return the errors on the new labels; those of the audit sample never train. None are new in iteration 0."""
        from interphase_flows.potentials.errors import frame_errors, summarise
        from interphase_flows.potentials.label_effects import LabelEffects, environment_uncertainties, error_changes

        if explorer is None:
            return LabelEffects()
        stored = read_extxyz(current_workspace().artifacts.get(dataset.artifact))
        frames = [frame for frame in stored if frame.info["label_key"] in set(batch.accepted)]
        if not frames:
            return LabelEffects()
        before = frame_errors(load_committee(explorer.models, compiled=explorer.compiled), frames)
        after = frame_errors(load_committee(committee.models[:1], compiled=committee.compiled), frames)
        audit = [each for each in before if each.origin.family == AUDIT]
        return LabelEffects(
            audit=summarise(audit) if audit else None,
            changes=error_changes(frames, before, after),
            environments=environment_uncertainties(frames, before, chemistry_of_frames(self.analysis, frames)),
        )
