"""The job that builds the cells of production."""

from dataclasses import dataclass, field

from interphase_flows.campaign.production import ProductionInterfaceSpec
from interphase_flows.campaign.production_cells import production_cell_specs
from interphase_flows.campaign.structures import InterfaceStructuresSpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import Crystal, JobMaker, as_crystal, open_job
from interphase_flows.jobs.structures.interfaces import interface_details
from interphase_flows.jobs.structures.structure_sets import KIND, store_set
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.interfaces.production_cells import build_production_cell
from interphase_flows.structures.structure_keys import structure_key


@dataclass
class ProductionCellsMaker(JobMaker):
    """Build the cells of production: all facets, terminations and in-plane shifts.

    Strain, gap, thicknesses and cut anions are in the details.

    Parameters
    ----------
    labelled
        Settings of the labelled interfaces, whose faces are the default.
    """

    name: str = "production cells"
    spec: ProductionInterfaceSpec = field(default_factory=ProductionInterfaceSpec)
    labelled: InterfaceStructuresSpec = field(default_factory=InterfaceStructuresSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @open_job(output_schema=StructureSetDoc)
    def make(self, electrode: Crystal, electrolyte: Crystal) -> StructureSetDoc:
        """Return one structure per cell; its array ``side`` is 0 in the electrode and 1 in the electrolyte."""
        (film, first), (substrate, second) = (as_crystal(s, self.structure_files) for s in (electrode, electrolyte))
        names, ends = (film, substrate), (first, second)
        specs = production_cell_specs(self.spec, self.labelled, names, ends, self.structure_files)
        key = content_key(KIND, generator="production cells", specs=specs, ends=[structure_key(end) for end in ends])

        def compute() -> StructureSetDoc:
            built = []
            for spec in specs:
                built.append(build_production_cell(spec, *ends))
                emit(self.name, len(built), len(specs), f"{built[-1].n_atoms} atoms")
            origins = [Origin.of("production cell", str(number)) for number in range(len(built))]
            details = {str(origin): interface_details(each) for origin, each in zip(origins, built, strict=True)}
            return store_set(key, self.name, [each.atoms for each in built], origins, details)

        return cached(KIND, key, StructureSetDoc, compute)
