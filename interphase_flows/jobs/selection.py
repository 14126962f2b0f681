"""The job that selects frames to label after an exploration."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import frames_of_split, read_extxyz
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.selection.registry import (
    STRATEGIES_OF_ALL_FRAMES,
    STRATEGIES_WITHOUT_FEATURES,
    selection_strategy,
)
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.features import committee_features
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.structures.structure_sets import KIND, store_set
from interphase_flows.md.candidates import unpack_candidates
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.origin import AUDIT, EXPLORATION, Origin
from interphase_flows.schemas.segment import Role, SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace

STRATEGY_WITHOUT_KEY = "uncertainty_diverse"
"""The first default: its name is not part of content keys, so that selections made under it are found again."""


@dataclass
class SelectMaker(JobMaker):
    """Select candidates that pass the gates by a strategy, and draw the audit sample.

    Candidates are the frames of the exploring walkers above the selection level; for the strategy ``random``, all their
    stored frames, whose uncertainties are NaN. For a strategy of your own, override `select`; its pool has the
    candidates of the strategy in ``learning.selection``.

    The audit sample is drawn at random from the frames of the audit walkers, independent of their uncertainty. Its
    labels measure the true error of the committee and never train. Frames of crystal walkers are drawn at random, too,
    because an error that all members share has no uncertainty; these train.
    """

    name: str = "select"
    learning: LearningSpec = field(default_factory=LearningSpec)
    gates: Gates = field(default_factory=Gates)

    @job(output_schema=StructureSetDoc)
    def make(
        self,
        segments: Sequence[SegmentDoc | None],
        dataset: DatasetDoc,
        seed: int = 0,
        committee: CommitteeDoc | None = None,
    ) -> StructureSetDoc:
        """Return the selected structures; their origins name the role and the run.

        Some strategies need the ``committee`` for its features.
        """
        finished = [s for s in segments if s is not None]
        n_sampled = self._n_sampled(finished)
        key = content_key(
            KIND,
            generator="selection",
            segments=[s.key for s in finished],
            dataset=dataset.key,
            n_audit=self.learning.audit_labels_per_iteration,
            seed=seed,
            **({"committee": committee.key} if committee is not None and self._may_use_features() else {}),
            **({"n_sampled": n_sampled} if n_sampled else {}),
            **self.settings(),
        )

        def compute() -> StructureSetDoc:
            candidates = (
                self._frames(finished, "explore", EXPLORATION)
                if self._strategy() in STRATEGIES_OF_ALL_FRAMES
                else self._candidates([s for s in finished if s.role == "explore"])
            )
            sampled = self._at_random(finished, "sample", EXPLORATION, n_sampled, seed)
            selected, notes = self._select(
                candidates, self.learning.labels_per_iteration - len(sampled), dataset, committee, seed
            )
            audit = self._at_random(finished, "audit", AUDIT, self.learning.audit_labels_per_iteration, seed)
            frames = [*selected, *sampled, *audit]
            return store_set(key, "selection", frames, [f.info["origin"] for f in frames], notes=notes)

        return cached(KIND, key, StructureSetDoc, compute)

    def settings(self) -> dict[str, object]:
        """Return the settings of `select` that enter content keys."""
        strategy, own = self._strategy(), type(self).select
        return {
            "n": self.learning.labels_per_iteration,
            "gates": self.gates,
            **({} if strategy == STRATEGY_WITHOUT_KEY else {"strategy": strategy}),
            **({"candidates": "all frames"} if strategy in STRATEGIES_OF_ALL_FRAMES else {}),
            **({} if own is SelectMaker.select else {"select": f"{own.__module__}.{own.__qualname__}"}),
        }

    def select(self, pool: CandidatePool, n: int, seed: int) -> Selection:
        """Select at most ``n`` candidates of a pool that is not empty, by default by ``learning.selection.strategy``."""
        return selection_strategy(self._strategy())(pool, n, seed)

    def _may_use_features(self) -> bool:
        return type(self).select is not SelectMaker.select or self._strategy() not in STRATEGIES_WITHOUT_FEATURES

    def _strategy(self) -> str:
        return self.learning.selection.strategy

    def _n_sampled(self, segments: Sequence[SegmentDoc]) -> int:
        """Return the number of labels for random frames of the crystal walkers; 0 if there are none.

        If there are two labels or more, a fraction above 0 gives at least one, and a fraction below 1 leaves one.
        """
        if not any(segment.role == "sample" for segment in segments):
            return 0
        fraction, n = self.learning.crystal_fraction, self.learning.labels_per_iteration
        return min(max(round(fraction * n), int(n > 1 and fraction > 0.0)), n - int(n > 1 and fraction < 1.0))

    def _candidates(self, segments: Sequence[SegmentDoc]) -> list[Atoms]:
        """Return the uncertain frames of the segments that pass the gates."""
        artifacts = current_workspace().artifacts
        frames: list[Atoms] = []
        for segment in segments:
            if segment.candidates is None:
                continue
            for candidate in unpack_candidates(artifacts.get(segment.candidates).read_bytes()):
                if self.gates.before(candidate.atoms) is None:
                    candidate.atoms.info.update(
                        origin=Origin.of(EXPLORATION, segment.run_id),
                        uncertainty=candidate.uncertainty_eV_per_angstrom,
                    )
                    frames.append(candidate.atoms)
        return frames

    def _select(
        self, candidates: list[Atoms], n: int, dataset: DatasetDoc, committee: CommitteeDoc | None, seed: int
    ) -> tuple[list[Atoms], list[str]]:
        if n < 1:
            return [], ["all labels of the iteration are random frames of the crystal walkers"]
        if not candidates:
            return [], [
                "the exploration has no frame that passes the gates"
                if self._strategy() in STRATEGIES_OF_ALL_FRAMES
                else "no frame was above the selection level"
            ]
        pool = CandidatePool(
            frames=candidates,
            uncertainty_eV_per_angstrom=np.array([frame.info.get("uncertainty", np.nan) for frame in candidates]),
            training_frames=frames_of_split(read_extxyz(current_workspace().artifacts.get(dataset.artifact)), "train"),
            elements=dataset.baseline.elements,
            features=None if committee is None else committee_features(committee),
        )
        selection = self.select(pool, n, seed)
        return [candidates[index] for index in selection.indices], list(selection.notes)

    def _at_random(self, segments: Sequence[SegmentDoc], role: Role, family: str, n: int, seed: int) -> list[Atoms]:
        """Draw ``n`` frames of the segments of a role at random, without replacement."""
        pool = self._frames(segments, role, family)
        n = min(n, len(pool))
        if not n:
            return []
        picked = np.random.default_rng(seed).choice(len(pool), size=n, replace=False)
        return [pool[int(index)] for index in np.sort(picked)]

    def _frames(self, segments: Sequence[SegmentDoc], role: Role, family: str) -> list[Atoms]:
        """Return the stored frames of the segments of a role that pass the gates."""
        artifacts = current_workspace().artifacts
        pool: list[Atoms] = []
        for segment in segments:
            if segment.role != role or segment.trajectory is None:
                continue
            with Trajectory(artifacts.get(segment.trajectory)) as trajectory:
                frames = [
                    # the first frame of a new run is its start, not dynamics
                    trajectory.atoms(i)
                    for i in range(trajectory.n_frames)
                    if trajectory.step[i] > segment.first_step
                ]
            for frame in frames:
                if self.gates.before(frame) is None:
                    frame.info["origin"] = Origin.of(family, segment.run_id)
                    pool.append(frame)
        return pool
