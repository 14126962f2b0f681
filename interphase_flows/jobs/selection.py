"""The job that chooses what to label after an exploration."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from jobflow import Maker, job
from scipy.spatial.distance import cdist

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.campaign.schema import GateSpec, LearningSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import frames_of_split, read_extxyz
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.regions import region_of_atom
from interphase_flows.datasets.selection import farthest_points, frame_descriptor, share_quota
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.md.candidate_archive import unpack_candidates
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.origin import AUDIT, EXPLORATION, Origin
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace

KIND = "structure_sets"

SIBLING_FRACTION = 0.1
"""A candidate nearer to a chosen or trained frame than this fraction of the median distance is a sibling."""


@dataclass
class SelectMaker(Maker):
    """Choose candidates that are uncertain, not twice the same, diverse and from every region.

    Beside them it draws the audit: frames of the audit walkers, at random, whatever the committee
    thought of them.  These are labelled to measure the true error and never train.

    Parameters
    ----------
    learning
        How many.
    gates
        A frame that would not pass the gates is not worth its cost.
    """

    name: str = "select"
    learning: LearningSpec = field(default_factory=LearningSpec)
    gates: GateSpec = field(default_factory=GateSpec)

    @job(output_schema=StructureSetDoc)
    def make(self, segments: Sequence[SegmentDoc | None], dataset: DatasetDoc, seed: int) -> StructureSetDoc:
        """Return the chosen structures; their origin says what they are for."""
        done = [s for s in segments if s is not None]
        key = content_key(
            KIND,
            generator="selection",
            segments=[s.key for s in done],
            dataset=dataset.key,
            n=self.learning.labels_per_iteration,
            n_audit=self.learning.audit_labels_per_iteration,
            gates=self.gates,
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            chosen, notes = self._candidates([s for s in done if s.role == "explore"], dataset)
            audit = self._audit([s for s in done if s.role == "audit"], seed)
            frames = [*chosen, *audit]
            return store_set(key, "selection", frames, [f.info["origin"] for f in frames], notes=notes)

        return cached(KIND, key, StructureSetDoc, compute)

    def _candidates(
        self, segments: Sequence[SegmentDoc], dataset: DatasetDoc
    ) -> tuple[list[Atoms], list[str]]:
        workspace = current_workspace()
        gates = Gates(**self.gates.model_dump())
        frames: list[Atoms] = []
        for segment in segments:
            if segment.candidates is None:
                continue
            for candidate in unpack_candidates(workspace.artifacts.get(segment.candidates).read_bytes()):
                if gates.before(candidate.atoms) is None:
                    candidate.atoms.info.update(
                        origin=Origin.of(EXPLORATION, segment.run_id),
                        uncertainty=candidate.uncertainty_eV_per_angstrom,
                    )
                    frames.append(candidate.atoms)
        if not frames:
            return [], ["no frame was above the selection level"]
        elements = dataset.baseline.elements
        trained = frames_of_split(read_extxyz(workspace.artifacts.get(dataset.artifact)), "train")
        descriptors = np.array([frame_descriptor(f, elements) for f in frames])
        taken = np.array([frame_descriptor(f, elements) for f in trained])
        scores = np.array([f.info["uncertainty"] for f in frames])
        distances = cdist(descriptors, taken).min(axis=1)
        order = farthest_points(
            descriptors,
            len(frames),
            taken=taken,
            scores=scores,
            min_distance=SIBLING_FRACTION * float(np.median(distances)),
        )
        groups = [f"{f.info['origin']}:{region_of_atom(f)}" for f in frames]
        picked = share_quota(groups, order, self.learning.labels_per_iteration)
        notes = [f"{len(frames)} candidates, {len(order)} of them no siblings, {len(picked)} chosen"]
        return [frames[index] for index in picked], notes

    def _audit(self, segments: Sequence[SegmentDoc], seed: int) -> list[Atoms]:
        workspace = current_workspace()
        gates = Gates(**self.gates.model_dump())
        pool: list[Atoms] = []
        for segment in segments:
            if segment.trajectory is None:
                continue
            with Trajectory(workspace.artifacts.get(segment.trajectory)) as trajectory:
                frames = [
                    # a fresh run's start is a frame too, and no dynamics
                    trajectory.atoms(i)
                    for i in range(trajectory.n_frames)
                    if trajectory.step[i] > segment.first_step
                ]
            for frame in frames:
                if gates.before(frame) is None:
                    frame.info["origin"] = Origin.of(AUDIT, segment.run_id)
                    pool.append(frame)
        n = min(self.learning.audit_labels_per_iteration, len(pool))
        picked = (
            np.random.default_rng(seed).choice(len(pool), size=n, replace=False) if n else np.empty(0, int)
        )
        return [pool[int(index)] for index in np.sort(picked)]
