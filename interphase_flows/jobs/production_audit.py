"""Jobs that measure the error of the final committee on frames of production."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import labelled_atoms
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached, settings_of
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.label_batches import load_labels
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.origin import PRODUCTION, Origin
from interphase_flows.schemas.potential_errors import ProductionAuditDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace

KIND = "production_audits"


@dataclass
class DrawProductionMaker(JobMaker):
    """Draw random frames of every replica, independent of their uncertainty, and leave out those that fail the gates."""

    name: str = "draw production frames"
    n_per_replica: int = 4
    gates: Gates = field(default_factory=Gates)

    @job(output_schema=StructureSetDoc)
    def make(self, segments: Sequence[SegmentDoc | None], seed: int = 0) -> StructureSetDoc:
        """Return the drawn frames; their origins name the replicas."""
        done = [s for s in segments if s is not None]
        key = content_key(
            "structure_sets",
            generator="production audit",
            segments=[s.key for s in done],
            settings=settings_of(self),
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            frames = [
                frame
                for number, run_id in enumerate(sorted({s.run_id for s in done}))
                for frame in self._draw([s for s in done if s.run_id == run_id], seed + number)
            ]
            return store_set(key, "production audit", frames, [f.info["origin"] for f in frames])

        return cached("structure_sets", key, StructureSetDoc, compute)

    def _draw(self, segments: Sequence[SegmentDoc], seed: int) -> list[Atoms]:
        artifacts = current_workspace().artifacts
        paths = [artifacts.get(s.trajectory) for s in segments if s.trajectory is not None]
        if not paths:
            return []
        with RunFrames(paths) as run:
            # the first frame is the start, not dynamics
            chosen = np.random.default_rng(seed).permutation(np.arange(1, run.n_frames))
            frames = [run.atoms(int(index)) for index in np.sort(chosen[: self.n_per_replica])]
        for frame in frames:
            frame.info["origin"] = Origin.of(PRODUCTION, segments[0].run_id)
        return [frame for frame in frames if self.gates.before(frame) is None]


@dataclass
class ProductionAuditMaker(JobMaker):
    """Compare the committee with labels of production frames, by replica."""

    name: str = "production audit"

    @job(output_schema=ProductionAuditDoc)
    def make(self, committee: CommitteeDoc, batch: LabelBatch) -> ProductionAuditDoc:
        """Return errors of energy and forces, with their standard error over replicas.

        Raises
        ------
        AnalysisError
            No production frame has an accepted label.
        """
        key = content_key(KIND, committee=committee.key, labels=sorted(batch.accepted))
        return cached(KIND, key, ProductionAuditDoc, lambda: self._compare(key, committee, batch))

    def _compare(self, key: str, committee: CommitteeDoc, batch: LabelBatch) -> ProductionAuditDoc:
        from interphase_flows.potentials.errors import frame_errors, summarise

        potentials = load_committee(committee.models)
        by_origin: dict[str, list[Atoms]] = {}
        for label in load_labels(batch, sorted(batch.accepted)):
            origin = batch.origins[label.key]
            by_origin.setdefault(origin, []).append(labelled_atoms(label, origin))
        if not by_origin:
            raise AnalysisError(
                "no production frame has a label. Hint: interphase query labels origin~production shows the reasons"
            )
        summaries = {origin: summarise(frame_errors(potentials, frames)) for origin, frames in by_origin.items()}

        def over_replicas(name: str) -> Estimate:
            return mean_over_replicas([getattr(summary, name) for summary in summaries.values()])

        return ProductionAuditDoc(
            key=key,
            committee_key=committee.key,
            label_keys=sorted(batch.accepted),
            n_frames=sum(s.n_frames for s in summaries.values()),
            by_replica=dict(sorted(summaries.items())),
            forces_mae_meV_per_angstrom=over_replicas("forces_mae_meV_per_angstrom"),
            forces_rmse_meV_per_angstrom=over_replicas("forces_rmse_meV_per_angstrom"),
            energy_mae_meV_per_atom=over_replicas("energy_mae_meV_per_atom"),
            notes=[f"{len(batch.rejected)} drawn frames have no accepted label"] if batch.rejected else [],
        )
