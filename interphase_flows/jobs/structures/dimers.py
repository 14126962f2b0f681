"""The job that makes dimers and isolated atoms."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from interphase_flows.campaign.structures import DimerSpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import Crystal, JobMaker, as_crystals, open_job
from interphase_flows.jobs.structures.structure_sets import KIND, store_set
from interphase_flows.schemas.origin import ATOM, DIMER, Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.dimers import dimers, isolated_atoms
from interphase_flows.structures.structure_keys import structure_key


@dataclass
class DimersMaker(JobMaker):
    """Make dimers of every pair of elements, and isolated atoms.

    All dimers have one origin and all isolated atoms another, in separate families. A family with a single origin is
    used for training only.
    """

    name: str = "dimers"
    spec: DimerSpec = field(default_factory=DimerSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @open_job(output_schema=StructureSetDoc)
    def make(self, phases: Crystal | Sequence[Crystal]) -> StructureSetDoc:
        """Return the dimers and atoms of the elements of all phases."""
        elements = {symbol for atoms in as_crystals(phases, self.structure_files).values() for symbol in atoms.symbols}
        key = content_key(KIND, generator="dimers", spec=self.spec, elements=sorted(elements))

        def compute() -> StructureSetDoc:
            pairs = dimers(
                elements,
                self.spec.n_distances,
                self.spec.min_distance_fraction,
                self.spec.max_distance_fraction,
                self.spec.box_angstrom,
            )
            isolated = isolated_atoms(elements, self.spec.box_angstrom) if self.spec.isolated_atoms else []
            elements_name = "-".join(sorted(elements))
            return store_set(
                key,
                "dimers",
                [*pairs, *isolated],
                [Origin.of(DIMER, elements_name)] * len(pairs) + [Origin.of(ATOM, elements_name)] * len(isolated),
                {structure_key(pair): dict(pair.info) for pair in pairs},
            )

        return cached(KIND, key, StructureSetDoc, compute)
