"""Jobs that find lattice constants: crystals at several volumes, and the curve through their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from jobflow import Maker, job

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached, stored_document
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.reference.equation_of_state import fit_birch_murnaghan
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.label import LabelBatch, LabelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_phase, load_structure_file
from interphase_flows.structures.crystals.measured_lattices import MEASURED_LATTICES
from interphase_flows.structures.crystals.primitive_cells import conventional_lengths_angstrom, primitive_cell
from interphase_flows.structures.crystals.volume_scan import equation_of_state
from interphase_flows.structures.structure_keys import structure_key
from interphase_flows.units import GPA_PER_EV_PER_ANGSTROM3

KIND = "analyses"
NAME = "lattice constants"
FAMILY = "equation of state"


@dataclass
class ScaledCrystalsMaker(Maker):
    """Crystals at volumes around their own: the shape of the cell and fractional coordinates are kept.

    Parameters
    ----------
    n_volumes
        Volumes per phase.
    max_strain
        Of the lengths of the cell, in both directions.
    structure_files
        Files of phases that the package does not have.
    """

    name: str = "scaled crystals"
    n_volumes: int = 7
    max_strain: float = 0.03
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str]) -> StructureSetDoc:
        """Return the scaled cells of every phase, densest first."""
        frames: list[Atoms] = []
        origins: list[Origin] = []
        for name in phases:
            path = self.structure_files.get(name)
            crystal = primitive_cell(load_phase(name) if path is None else load_structure_file(path))
            frames += equation_of_state(crystal, self.n_volumes, self.max_strain)
            origins += [Origin.of(FAMILY, name)] * self.n_volumes
        key = content_key("structure_sets", name=FAMILY, structures=[structure_key(f) for f in frames])
        return cached("structure_sets", key, StructureSetDoc, lambda: store_set(key, FAMILY, frames, origins))


@dataclass
class LatticeConstantsMaker(Maker):
    """Fit an equation of state to the labels of every phase, and compare with what was measured."""

    name: str = "lattice constants"

    @job(output_schema=AnalysisDoc)
    def make(self, labels: LabelBatch) -> AnalysisDoc:
        """Return lattice constants, bulk modulus and residual of each phase; a phase without a fit is a note."""
        found = [stored_document("labels", key, LabelDoc) for key in labels.accepted]
        documents = [label for label in found if label is not None]
        key = content_key(KIND, name=NAME, labels=sorted(label.key for label in documents))

        def compute() -> AnalysisDoc:
            phases: dict[str, object] = {}
            notes = [] if not labels.rejected else [f"{len(labels.rejected)} labels were rejected"]
            names = dict.fromkeys(labels.origins[label.key].name for label in documents)
            for name in names:
                own = [label for label in documents if labels.origins[label.key] == Origin.of(FAMILY, name)]
                try:
                    phases[name] = _fitted(name, own)
                except AnalysisError as error:
                    notes.append(f"{name}: {error}")
            return AnalysisDoc(
                key=key,
                name=NAME,
                rests_on=[label.key for label in documents],
                values={
                    "phases": phases,
                    "method": documents[0].method_name if documents else "",
                    "wall_time_s": sum(label.wall_time_s for label in documents),
                },
                notes=notes,
            )

        return cached(KIND, key, AnalysisDoc, compute)


def _fitted(name: str, labels: Sequence[LabelDoc]) -> dict[str, object]:
    cells = [np.asarray(label.cell) for label in labels]
    volumes = [abs(float(np.linalg.det(cell))) for cell in cells]
    n_atoms = len(labels[0].numbers) if labels else 0
    curve = fit_birch_murnaghan(volumes, [float(label.energy_eV or 0.0) for label in labels], n_atoms)
    nearest = int(np.argmin(np.abs(np.array(volumes) - curve.volume_angstrom3)))
    scale = (curve.volume_angstrom3 / volumes[nearest]) ** (1 / 3)
    at_rest = Atoms(labels[0].numbers, labels[nearest].positions, cell=cells[nearest])
    lengths = scale * conventional_lengths_angstrom(at_rest)
    stress = np.asarray(labels[nearest].stress_eV_per_angstrom3)[:3] * GPA_PER_EV_PER_ANGSTROM3
    is_cubic = bool(np.allclose(lengths, lengths[0], rtol=1e-6))
    return {
        "a_angstrom": float(lengths[0]),
        # the shape of the cell is that of the start: c/a is not fitted
        "c_angstrom": None if is_cubic else float(lengths[2]),
        "volume_angstrom3_per_atom": curve.volume_angstrom3 / n_atoms,
        "energy_eV_per_atom": curve.energy_eV / n_atoms,
        "bulk_modulus_GPa": curve.bulk_modulus_GPa,
        "rms_residual_meV_per_atom": curve.rms_residual_meV_per_atom,
        "n_points": curve.n_points,
        "stress_anisotropy_GPa": float(stress[2] - (stress[0] + stress[1]) / 2),
        "points": [
            {
                "volume_angstrom3_per_atom": v / n_atoms,
                "energy_eV_per_atom": float(label.energy_eV or 0.0) / n_atoms,
            }
            for v, label in sorted(zip(volumes, labels, strict=True), key=lambda pair: pair[0])
        ],
        "measured": [vars(measured) for measured in MEASURED_LATTICES.get(name, ())],
    }
