"""The job that cuts small cells around uncertain atoms of production, to label them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.campaign.production import CutoutSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import frames_of_split, read_extxyz
from interphase_flows.datasets.selection.strategy import CandidatePool
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.features import committee_features
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.jobs.selection import SelectMaker
from interphase_flows.jobs.structures.structure_sets import KIND, store_set
from interphase_flows.md.candidates import unpack_candidates
from interphase_flows.md.uncertainty_monitor import force_std
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.origin import CUTOUT, Origin
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.cutouts import cut_out, relax_shell, uncertain_atoms
from interphase_flows.structures.structure_keys import structure_key

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee

CUTOUTS_PER_FRAME = 3


@dataclass
class CutoutMaker(JobMaker):
    """Select cells around atoms of production whose forces are uncertain.

    Up to three cells are cut out of a candidate frame. ``select_maker`` selects among all of them, as in the loop; the
    shells of the selected ones are relaxed with the first member of the committee.
    """

    name: str = "cut out"
    select_maker: SelectMaker = field(default_factory=SelectMaker)
    cutouts: CutoutSpec = field(default_factory=CutoutSpec)

    @job(output_schema=StructureSetDoc)
    def make(
        self, segments: Sequence[SegmentDoc | None], dataset: DatasetDoc, committee: CommitteeDoc, seed: int = 0
    ) -> StructureSetDoc:
        """Return the selected cells, none if no frame is uncertain; their origins name the runs."""
        finished = [s for s in segments if s is not None]
        key = content_key(
            KIND,
            generator="cutouts",
            segments=[s.key for s in finished],
            dataset=dataset.key,
            committee=committee.key,
            cutouts=self.cutouts,
            selection=self.select_maker.settings(),
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            cells = self._cells(finished, committee.select_force_std_eV_per_angstrom)
            if not cells:
                return store_set(key, "cutouts", [], [], notes=["no frame was above the selection level"])
            artifacts = current_workspace().artifacts
            pool = CandidatePool(
                frames=cells,
                uncertainty_eV_per_angstrom=np.array([cell.info["uncertainty"] for cell in cells]),
                training_frames=frames_of_split(read_extxyz(artifacts.get(dataset.artifact)), "train"),
                elements=dataset.baseline.elements,
                features=committee_features(committee),
            )
            selection = self.select_maker.select(pool, self.select_maker.learning.labels_per_iteration, seed)
            potentials = load_committee(committee.models, compiled=committee.compiled)
            chosen = [with_relaxed_shell(cells[index], self.cutouts, potentials) for index in selection.indices]
            passing = [cell for cell in chosen if self.select_maker.gates.before(cell) is None]
            notes = [*selection.notes, self._comparison(cells, passing, len(chosen), potentials), *potentials.notes]
            return store_set(key, "cutouts", passing, [cell.info["origin"] for cell in passing], notes=notes)

        return cached(KIND, key, StructureSetDoc, compute)

    def _cells(self, segments: Sequence[SegmentDoc], level_eV_per_angstrom: float) -> list[Atoms]:
        """Return cells around the most uncertain atoms of the candidates of all segments, each once.

        Replicas have the same first frame.
        """
        cells: dict[str, Atoms] = {}
        for segment in segments:
            if segment.candidates is None:
                continue
            data = current_workspace().artifacts.get(segment.candidates).read_bytes()
            for frame in (candidate.atoms for candidate in unpack_candidates(data)):
                std = frame.arrays["force_std_eV_per_angstrom"]
                edge, core = self.cutouts.edge_angstrom, self.cutouts.core_angstrom
                for centre in uncertain_atoms(frame, std, level_eV_per_angstrom, edge, CUTOUTS_PER_FRAME):
                    cell = cut_out(frame, centre, edge, core)
                    cell.info.update(origin=Origin.of(CUTOUT, segment.run_id), uncertainty=float(std[centre]))
                    cells.setdefault(structure_key(cell), cell)
        return list(cells.values())

    def _comparison(
        self, cells: Sequence[Atoms], passing: Sequence[Atoms], n_chosen: int, potentials: "NequIPCommittee"
    ) -> str:
        """Return what a reader needs to judge whether the cells represent production."""
        before = [cell.info["uncertainty"] for cell in passing]
        after = [float(force_std(potentials.forces_all(cell.copy()))[0]) for cell in passing]
        medians = f"{np.median(before):.2f} eV/Å in production, {np.median(after):.2f} eV/Å in its cell"
        return (
            f"{len(passing)} of {len(cells)} cells cut out"
            + (f", {n_chosen - len(passing)} rejected by the gates" if n_chosen > len(passing) else "")
            + (f"; median standard deviation of the force on the central atom: {medians}" if passing else "")
        )


def with_relaxed_shell(cell: Atoms, spec: CutoutSpec, potentials: "NequIPCommittee") -> Atoms:
    """Return a cell of `cut_out` whose shell is relaxed with the first member of a committee."""
    relaxed = relax_shell(cell, potentials.dynamics_calculator, spec.core_angstrom, spec.relaxation_steps)
    relaxed.info.update(cell.info)
    return relaxed
