"""The job that adds strained and rattled copies to a set of structures, for labels of a cheap method."""

from collections.abc import Sequence
from dataclasses import dataclass

from ase import Atoms
from jobflow import job

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import OverlappingAtomsError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.structures.structure_sets import KIND, load_set, store_set
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.perturb import strained_and_rattled


@dataclass
class PerturbSetMaker(JobMaker):
    """Add strained and rattled copies of the structures of a set, in turn, until it has ``n_structures``.

    A copy has the origin of its structure, so that it is on the same side of a split. Dimers and isolated atoms are not
    copied. Strains are uniform in ±``max_strain`` for each component, displacements normal with standard deviation
    ``rattle_angstrom`` per component.
    """

    name: str = "pretraining structures"
    n_structures: int = 500
    max_strain: float = 0.04
    rattle_angstrom: float = 0.15

    @job(output_schema=StructureSetDoc)
    def make(self, structures: StructureSetDoc, seed: int = 0) -> StructureSetDoc:
        """Return the given structures, at most ``n_structures``, and their copies."""
        key = content_key(
            KIND,
            generator="perturbed",
            structures=structures.key,
            n_structures=self.n_structures,
            max_strain=self.max_strain,
            rattle_angstrom=self.rattle_angstrom,
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            frames = load_set(structures)
            origins = [entry.origin for entry in structures.entries]
            kept = max(min(len(frames), self.n_structures), 1)
            copied = [index for index, origin in enumerate(origins) if not origin.is_isolated]
            copies, copies_of, n_overlapping = self._copies(frames, copied, self.n_structures - kept, seed)
            notes = [f"{n_overlapping} copies overlapped and are left out"] if n_overlapping else []
            all_origins = [*origins[:kept], *(origins[index] for index in copies_of)]
            return store_set(key, self.name, [*frames[:kept], *copies], all_origins, notes=notes)

        return cached(KIND, key, StructureSetDoc, compute)

    def _copies(
        self, frames: Sequence[Atoms], copied: Sequence[int], n: int, seed: int
    ) -> tuple[list[Atoms], list[int], int]:
        """Return copies, the indices of their structures, and the number of copies that overlapped."""
        copies: list[Atoms] = []
        copies_of: list[int] = []
        n_overlapping = 0
        for number in range(n if copied else 0):
            index = copied[number % len(copied)]
            try:
                copies += strained_and_rattled(frames[index], 1, self.max_strain, self.rattle_angstrom, seed + number)
            except OverlappingAtomsError:
                n_overlapping += 1
                continue
            copies_of.append(index)
        return copies, copies_of, n_overlapping
