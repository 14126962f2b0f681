"""Jobs that measure the error of the final committee on frames of production."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.campaign.production import CutoutSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import labelled_atoms
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached, settings_of
from interphase_flows.jobs.cutouts import with_relaxed_shell
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
from interphase_flows.structures.cutouts import cut_out, is_core

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee
    from interphase_flows.potentials.errors import FrameErrors

KIND = "production_audits"


@dataclass
class DrawProductionMaker(JobMaker):
    """Draw random frames of every replica, independent of their uncertainty, and leave out those that fail the gates.

    With ``cutouts``, a cell around a random atom is cut out of every frame, and its shell relaxed.
    """

    name: str = "draw production frames"
    n_per_replica: int = 4
    gates: Gates = field(default_factory=Gates)
    cutouts: CutoutSpec | None = None

    @job(output_schema=StructureSetDoc)
    def make(
        self, segments: Sequence[SegmentDoc | None], seed: int = 0, committee: CommitteeDoc | None = None
    ) -> StructureSetDoc:
        """Return the drawn frames or cells; their origins name the replicas. The committee relaxes shells."""
        done = [s for s in segments if s is not None]
        key = content_key(
            "structure_sets",
            generator="production audit",
            segments=[s.key for s in done],
            settings=settings_of(self),
            seed=seed,
            **({"committee": committee.key} if self.cutouts and committee else {}),
        )

        def compute() -> StructureSetDoc:
            potentials = (
                load_committee(committee.models, compiled=committee.compiled) if self.cutouts and committee else None
            )
            frames = [
                frame
                for number, run_id in enumerate(sorted({s.run_id for s in done}))
                for frame in self._draw([s for s in done if s.run_id == run_id], seed + number, potentials)
            ]
            return store_set(key, "production audit", frames, [f.info["origin"] for f in frames])

        return cached("structure_sets", key, StructureSetDoc, compute)

    def _draw(self, segments: Sequence[SegmentDoc], seed: int, potentials: "NequIPCommittee | None") -> list[Atoms]:
        artifacts = current_workspace().artifacts
        paths = [artifacts.get(s.trajectory) for s in segments if s.trajectory is not None]
        if not paths:
            return []
        with RunFrames(paths) as run:
            # the first frame is the start, not dynamics
            rng = np.random.default_rng(seed)
            chosen = rng.permutation(np.arange(1, run.n_frames))
            frames = [run.atoms(int(index)) for index in np.sort(chosen[: self.n_per_replica])]
        if self.cutouts is not None and potentials is not None:
            frames = [self._cell(frame, int(rng.integers(len(frame))), self.cutouts, potentials) for frame in frames]
        for frame in frames:
            frame.info["origin"] = Origin.of(PRODUCTION, segments[0].run_id)
        return [frame for frame in frames if self.gates.before(frame) is None]

    @staticmethod
    def _cell(frame: Atoms, centre: int, spec: CutoutSpec, potentials: "NequIPCommittee") -> Atoms:
        return with_relaxed_shell(cut_out(frame, centre, spec.edge_angstrom, spec.core_angstrom), spec, potentials)


@dataclass
class ProductionAuditMaker(JobMaker):
    """Compare the committee with labels of production frames, by replica.

    With ``core_angstrom``, the frames are cells cut out around their first atom, and only forces on atoms within this
    distance of it are compared: the shell is not production.
    """

    name: str = "production audit"
    core_angstrom: float | None = None

    @job(output_schema=ProductionAuditDoc)
    def make(self, committee: CommitteeDoc, batch: LabelBatch) -> ProductionAuditDoc:
        """Return errors of energy and forces, with their standard error over replicas.

        Raises
        ------
        AnalysisError
            No production frame has an accepted label.
        """
        core = {} if self.core_angstrom is None else {"core_angstrom": self.core_angstrom}
        key = content_key(KIND, committee=committee.key, labels=sorted(batch.accepted), **core)
        return cached(KIND, key, ProductionAuditDoc, lambda: self._compare(key, committee, batch))

    def _compare(self, key: str, committee: CommitteeDoc, batch: LabelBatch) -> ProductionAuditDoc:
        from interphase_flows.potentials.errors import summarise

        potentials = load_committee(committee.models, compiled=committee.compiled)
        by_origin: dict[str, list[Atoms]] = {}
        for label in load_labels(batch, sorted(batch.accepted)):
            origin = batch.origins[label.key]
            by_origin.setdefault(origin, []).append(labelled_atoms(label, origin))
        if not by_origin:
            raise AnalysisError(
                "no production frame has a label. Hint: interphase query labels origin~production shows the reasons"
            )
        summaries = {origin: summarise(self._errors(potentials, frames)) for origin, frames in by_origin.items()}

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
            notes=[*self._notes(batch), *potentials.notes],
        )

    def _errors(self, potentials: "NequIPCommittee", frames: Sequence[Atoms]) -> list["FrameErrors"]:
        from interphase_flows.potentials.errors import frame_errors

        errors = frame_errors(potentials, frames)
        if self.core_angstrom is None:
            return errors
        cores = [is_core(frame, self.core_angstrom) for frame in frames]
        return [each.of_atoms(core) for each, core in zip(errors, cores, strict=True)]

    def _notes(self, batch: LabelBatch) -> list[str]:
        notes = [f"{len(batch.rejected)} drawn frames have no accepted label"] if batch.rejected else []
        if self.core_angstrom is not None:
            notes.append(
                f"labels are of small cells cut out around random atoms; errors of forces are those within "
                f"{self.core_angstrom:g} Å of these atoms, errors of energies those of the cells"
            )
        return notes
