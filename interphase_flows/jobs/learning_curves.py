"""The job that evaluates the committees of all iterations on the same frames."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobflow import Maker, job

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import frames_of_split, read_extxyz
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached, stored_document
from interphase_flows.jobs.committee import load_committee
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.model import CommitteeDoc, ErrorSummary
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.potential_errors import LearningCurveDoc
from interphase_flows.storage.workspace import current_workspace

KIND = "learning_curves"


@dataclass
class LearningCurveMaker(Maker):
    """Compute the learning curve: errors of the committee of each iteration on the final held-out interface frames."""

    name: str = "learning curve"

    @job(output_schema=LearningCurveDoc)
    def make(self, dataset: DatasetDoc, iterations: Sequence[IterationDoc]) -> LearningCurveDoc:
        """Return the errors of the first member of each committee on frames that trained no committee.

        Raises
        ------
        AnalysisError
            No interface frame was held out, or a committee is missing.
        """
        committee_keys = [iteration.committee_key for iteration in iterations]
        key = content_key(KIND, dataset=dataset.key, committees=committee_keys)

        def compute() -> LearningCurveDoc:
            from interphase_flows.potentials.errors import frame_errors, summarise

            workspace = current_workspace()
            frames = [
                frame
                for frame in frames_of_split(read_extxyz(workspace.artifacts.get(dataset.artifact)), "test")
                if Origin(frame.info["origin"]).is_interface
            ]
            if not frames:
                raise AnalysisError(
                    "no interface frame was held out, so there is no learning curve. Hint: set at least three "
                    "structures.interfaces.snapshots.temperatures_K, or learning.audit_labels_per_iteration"
                )
            points: list[ErrorSummary] = []
            for committee_key in committee_keys:
                document = stored_document("committees", committee_key, CommitteeDoc)
                if document is None:
                    raise AnalysisError(
                        f"committee {committee_key} is missing in the ledger. Hint: resume the campaign"
                    )
                committee = load_committee(document.models[:1])
                points.append(summarise(frame_errors(committee, frames)))
            return LearningCurveDoc(
                key=key,
                dataset_key=dataset.key,
                committee_keys=committee_keys,
                n_frames=len(frames),
                errors=points,
            )

        return cached(KIND, key, LearningCurveDoc, compute)
