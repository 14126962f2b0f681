"""The job that makes slabs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobflow import Maker, job

from interphase_flows.campaign.structures import SlabSpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.crystals import phase_keys
from interphase_flows.jobs.structure_sets import KIND, store_set
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.interfaces.slabs import slabs
from interphase_flows.structures.structure_keys import structure_key


@dataclass
class SlabsMaker(Maker):
    """Make slabs of every phase in vacuum; the slabs of a phase have the same origin.

    Parameters
    ----------
    spec
        Number of slabs, thickness and vacuum.
    structure_files
        Structure files of the user's phases, by name.
    """

    name: str = "slabs"
    spec: SlabSpec = field(default_factory=SlabSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str]) -> StructureSetDoc:
        """Return the slabs of all phases; the notes name phases with fewer slabs than requested."""
        crystals = {name: load_crystal(name, self.structure_files) for name in phases}
        key = content_key(KIND, generator="slabs", spec=self.spec, crystals=phase_keys(crystals))

        def compute() -> StructureSetDoc:
            frames, origins, details, notes = [], [], {}, []
            for done, (name, crystal) in enumerate(crystals.items(), start=1):
                found = slabs(
                    crystal,
                    self.spec.n_per_phase,
                    self.spec.max_miller,
                    self.spec.min_thickness_angstrom,
                    self.spec.vacuum_angstrom,
                    self.spec.max_atoms,
                )
                if len(found) < self.spec.n_per_phase:
                    notes.append(
                        f"{name}: {len(found)} of {self.spec.n_per_phase} slabs; no other surface up to Miller index "
                        f"{self.spec.max_miller} has a slab of at most {self.spec.max_atoms} atoms"
                    )
                for slab in found:
                    frames.append(slab)
                    origins.append(Origin.of("slab", name))
                    details[structure_key(slab)] = dict(slab.info)
                emit("slabs", done, len(crystals), name)
            return store_set(key, "slabs", frames, origins, details, notes)

        return cached(KIND, key, StructureSetDoc, compute)
