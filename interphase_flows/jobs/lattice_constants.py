"""Jobs that determine lattice constants: crystals at several volumes, and the fit to their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ase import Atoms
from jobflow import job

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.label_batches import load_labels
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.reference.lattice_constants import fit_lattice_constants
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.lattice_constants import LatticeConstants, LatticeConstantsDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.crystals.perturb import equation_of_state
from interphase_flows.structures.crystals.symmetry import primitive_cell
from interphase_flows.structures.structure_keys import structure_key

KIND = "lattice_constants"
FAMILY = "equation of state"


@dataclass
class ScaledCrystalsMaker(JobMaker):
    """Make crystals at volumes around the initial one, with fixed cell shape and fractional coordinates."""

    name: str = "scaled crystals"
    n_volumes: int = 7
    max_strain: float = 0.03
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str]) -> StructureSetDoc:
        """Return the scaled cells of every phase, smallest volume first."""
        frames: list[Atoms] = []
        origins: list[Origin] = []
        for name in phases:
            crystal = primitive_cell(load_crystal(name, self.structure_files))
            frames += equation_of_state(crystal, self.n_volumes, self.max_strain)
            origins += [Origin.of(FAMILY, name)] * self.n_volumes
        key = content_key("structure_sets", name=FAMILY, structures=[structure_key(f) for f in frames])
        return cached("structure_sets", key, StructureSetDoc, lambda: store_set(key, FAMILY, frames, origins))


@dataclass
class LatticeConstantsMaker(JobMaker):
    """Fit an equation of state to the labels of every phase, and compare with experiment."""

    name: str = "lattice constants"

    @job(output_schema=LatticeConstantsDoc)
    def make(self, labels: LabelBatch) -> LatticeConstantsDoc:
        """Return the lattice constants and bulk modulus of each phase; a failed fit is a note."""
        documents = load_labels(labels, labels.accepted)
        key = content_key(KIND, labels=sorted(label.key for label in documents))

        def compute() -> LatticeConstantsDoc:
            phases: dict[str, LatticeConstants] = {}
            notes = [f"{len(labels.rejected)} labels were rejected"] if labels.rejected else []
            for origin in dict.fromkeys(labels.origins[label.key] for label in documents):
                try:
                    phases[origin.name] = fit_lattice_constants(
                        origin.name, [label for label in documents if labels.origins[label.key] == origin]
                    )
                except AnalysisError as error:
                    notes.append(f"{origin.name}: {error}")
            return LatticeConstantsDoc(
                key=key,
                label_keys=[label.key for label in documents],
                method=documents[0].method_name if documents else "",
                phases=phases,
                wall_time_s=sum(label.wall_time_s for label in documents),
                notes=notes,
            )

        return cached(KIND, key, LatticeConstantsDoc, compute)
