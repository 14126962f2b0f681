"""Jobs that evaluate committees on held-out frames: errors and calibration of one, learning curve of all iterations."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ase import Atoms
from jobflow import job

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import frames_of_split, read_extxyz
from interphase_flows.exceptions import AnalysisError, TrainingError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.compile import PERMANENT, without_graph
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.import_dataset import LabelledFrames, as_dataset
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.model import CommitteeDoc, ModelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.potential_errors import LearningCurveDoc
from interphase_flows.storage.workspace import current_workspace


@dataclass
class CommitteeMaker(JobMaker):
    """Evaluate a committee on frames that trained no member, and calibrate its uncertainty thresholds."""

    name: str = "committee"
    learning: LearningSpec = field(default_factory=LearningSpec)

    @open_job(output_schema=CommitteeDoc)
    def make(
        self,
        dataset: DatasetDoc | LabelledFrames,
        models: Sequence[ModelDoc | None],
        compiled: CompiledPotentialDoc | None = None,
    ) -> CommitteeDoc:
        """Return errors by split and by origin, the calibration, the thresholds and the data of a parity plot.

        ``dataset`` is that of the models, also as the path of labelled frames, or a list of them. ``compiled`` is the
        graph of their architecture; the committee keeps it if it agrees with the eager potentials on frames of the
        dataset, else the reason. Where it was compiled for another type of machine, they are not compared here.

        Raises
        ------
        TrainingError
            Fewer than two members were trained.
        """
        dataset = as_dataset(dataset)
        trained = [model for model in models if model is not None]
        if len(trained) < 2:
            raise TrainingError(
                f"only {len(trained)} of {len(models)} members were trained on dataset {dataset.key}; a committee "
                f"needs two. Hint: {query_command('failures')} shows the reasons"
            )
        key = content_key(
            "committees",
            models=[model.key for model in trained],
            dataset=dataset.key,
            select=self.learning.select_force_error_eV_per_angstrom,
            stop=self.learning.stop_force_error_eV_per_angstrom,
        )
        return cached("committees", key, CommitteeDoc, lambda: self._evaluate(key, dataset, trained, compiled))

    def _evaluate(
        self,
        key: str,
        dataset: DatasetDoc,
        models: Sequence[ModelDoc],
        compiled: CompiledPotentialDoc | None,
    ) -> CommitteeDoc:
        from interphase_flows.potentials.errors import calibrate, frame_errors, parity_arrays, summarise

        artifacts = current_workspace().artifacts
        frames = read_extxyz(artifacts.get(dataset.artifact))
        committee = load_committee(models, _one_of_each_kind(frames), compiled=compiled)
        if compiled is not None and committee.fallback is not None and committee.fallback.reason in PERMANENT:
            compiled = without_graph(compiled, committee.fallback.reason, str(committee.fallback))
        validation = frame_errors(committee, frames_of_split(frames, "validation"))
        test = frame_errors(committee, frames_of_split(frames, "test"))
        interface = [e for e in test if e.origin.is_interface]
        held_out = [*validation, *test]
        calibration = calibrate(held_out)
        return CommitteeDoc(
            key=key,
            dataset_key=dataset.key,
            models=list(models),
            errors={
                name: summarise(group)
                for name, group in (("validation", validation), ("test", test), ("interface", interface))
                if group
            },
            errors_by_origin={
                origin: summarise([e for e in held_out if e.origin == origin])
                for origin in sorted({e.origin for e in held_out})
            },
            calibration=calibration,
            select_force_std_eV_per_angstrom=self.learning.select_force_error_eV_per_angstrom
            / calibration.error_per_std,
            stop_force_std_eV_per_angstrom=self.learning.stop_force_error_eV_per_angstrom / calibration.error_per_std,
            parity=artifacts.put_arrays(parity_arrays(validation, test), "parity"),
            compiled=compiled,
            notes=list(dict.fromkeys([*(compiled.notes if compiled else []), *committee.notes])),
        )


def _one_of_each_kind(frames: Sequence[Atoms]) -> list[Atoms]:
    """Return the first frame of each kind of structure."""
    return list({Origin(frame.info["origin"]).family: frame for frame in reversed(frames)}.values())


@dataclass
class LearningCurveMaker(JobMaker):
    """Compute the learning curve: errors of the committee of each iteration on the final held-out interface frames."""

    name: str = "learning curve"

    @job(output_schema=LearningCurveDoc)
    def make(self, dataset: DatasetDoc, iterations: Sequence[IterationDoc]) -> LearningCurveDoc:
        """Return the errors of the first member of each committee on frames that trained no committee.

        Raises
        ------
        AnalysisError
            No interface frame was held out.
        """
        committee_keys = [each.committee_key for each in iterations]
        key = content_key("learning_curves", dataset=dataset.key, committees=committee_keys)

        def compute() -> LearningCurveDoc:
            from interphase_flows.potentials.errors import frame_errors, summarise

            frames = [
                frame
                for frame in frames_of_split(read_extxyz(current_workspace().artifacts.get(dataset.artifact)), "test")
                if Origin(frame.info["origin"]).is_interface
            ]
            if not frames:
                raise AnalysisError(
                    "no interface frame was held out, so there is no learning curve. Hint: set at least three "
                    "structures.interfaces.snapshots.temperatures_K, or learning.audit_labels_per_iteration"
                )
            return LearningCurveDoc(
                key=key,
                dataset_key=dataset.key,
                committee_keys=committee_keys,
                n_frames=len(frames),
                errors=[
                    summarise(frame_errors(load_committee([each.first_checkpoint]), frames)) for each in iterations
                ],
            )

        return cached("learning_curves", key, LearningCurveDoc, compute)
