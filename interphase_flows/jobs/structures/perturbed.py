"""The job that adds strained and rattled copies to a set of structures, for labels of a cheap method."""

from collections.abc import Sequence
from dataclasses import dataclass

from ase import Atoms
from jobflow import job

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.selection.initial import select_initial
from interphase_flows.exceptions import OverlappingAtomsError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.structures.structure_sets import KIND, load_set, store_set
from interphase_flows.schemas.origin import ATOM
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.perturb import strained_and_rattled


@dataclass
class PerturbSetMaker(JobMaker):
    """Add strained and rattled copies of the structures of a set, in turn, until it has ``n_structures``.

    A larger set is reduced by `select_initial`, which keeps one structure of every origin: fewer origins would be split
    differently, and structures that the dataset of the reference method holds out would train. A copy has the origin of
    its structure, so that it is on the same side of a split. Dimers are not copied. Isolated atoms are left out, because
    CHGNet is not valid for them. Strains are uniform in ±``max_strain`` for each component,
    displacements normal with standard deviation ``rattle_angstrom`` per component.
    """

    name: str = "pretraining structures"
    n_structures: int = 500
    max_strain: float = 0.04
    rattle_angstrom: float = 0.15

    @job(output_schema=StructureSetDoc)
    def make(self, structures: StructureSetDoc, seed: int = 0) -> StructureSetDoc:
        """Return the given structures, at most about ``n_structures``, and their copies."""
        given = [index for index, entry in enumerate(structures.entries) if entry.origin.family != ATOM]
        is_reduced = len(given) > self.n_structures or len(given) < len(structures.entries)
        key = content_key(
            KIND,
            generator="perturbed",
            structures=structures.key,
            n_structures=self.n_structures,
            max_strain=self.max_strain,
            rattle_angstrom=self.rattle_angstrom,
            seed=seed,
            **({"given": "one of every origin, no isolated atoms"} if is_reduced else {}),
        )

        def compute() -> StructureSetDoc:
            stored = load_set(structures)
            frames, origins = [stored[i] for i in given], [structures.entries[i].origin for i in given]
            if len(frames) > self.n_structures:
                chosen = select_initial(frames, origins, self.n_structures)
                frames, origins = [frames[i] for i in chosen], [origins[i] for i in chosen]
            copied = [index for index, origin in enumerate(origins) if not origin.is_isolated]
            copies, copies_of, n_overlapping = self._copies(frames, copied, self.n_structures - len(frames), seed)
            notes = [f"{n_overlapping} copies overlapped and are left out"] if n_overlapping else []
            all_origins = [*origins, *(origins[index] for index in copies_of)]
            return store_set(key, self.name, [*frames, *copies], all_origins, notes=notes)

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
