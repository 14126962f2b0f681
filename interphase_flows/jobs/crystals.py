"""Jobs that make crystals: perfect, strained and rattled, scaled, with vacancies."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ase import Atoms
from jobflow import Maker, job

from interphase_flows.campaign.structures import CrystalSpec, EquationOfStateSpec, VacancySpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.structure_sets import KIND, store_set
from interphase_flows.schemas.origin import CRYSTAL, Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from interphase_flows.structures.crystals.vacancies import vacancies
from interphase_flows.structures.crystals.volume_scan import equation_of_state
from interphase_flows.structures.structure_keys import structure_key

PHASE_SEED_STEP = 1000
"""Difference between the seeds of two phases."""


def phase_keys(crystals: dict[str, Atoms]) -> dict[str, str]:
    """Return the structure keys of crystals by name; a file enters a content key by its structure, not its path."""
    return {name: structure_key(atoms) for name, atoms in crystals.items()}


@dataclass
class CrystalsMaker(Maker):
    """Make the perfect crystal of every phase, and strained and rattled copies.

    Parameters
    ----------
    spec
        Number of copies, strain and displacement.
    structure_files
        Structure files of the user's phases, by name.
    """

    name: str = "crystals"
    spec: CrystalSpec = field(default_factory=CrystalSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str], seed: int) -> StructureSetDoc:
        """Return the crystals of all phases."""
        crystals = {name: load_crystal(name, self.structure_files) for name in phases}
        key = content_key(
            KIND, generator="crystals", spec=self.spec, seed=seed, crystals=phase_keys(crystals)
        )

        def compute() -> StructureSetDoc:
            frames, origins = [], []
            for index, (name, crystal) in enumerate(crystals.items()):
                perfect = strained_and_rattled(crystal, 1, 0.0, 0.0, seed, self.spec.min_atoms)
                strained = strained_and_rattled(
                    crystal,
                    self.spec.n_per_phase,
                    self.spec.max_strain,
                    self.spec.rattle_angstrom,
                    seed=seed + PHASE_SEED_STEP * (index + 1),
                    min_atoms=self.spec.min_atoms,
                )
                frames += perfect + strained
                origins += [Origin.of(CRYSTAL, name)] * (1 + len(strained))
            return store_set(key, "crystals", frames, origins)

        return cached(KIND, key, StructureSetDoc, compute)


@dataclass
class EquationsOfStateMaker(Maker):
    """Make isotropically scaled cells of every phase.

    Their origins belong to the family of crystals, which trains.

    Parameters
    ----------
    spec
        Number of volumes and largest strain.
    min_atoms
        Minimum number of atoms; smaller crystals are repeated.
    structure_files
        Structure files of the user's phases, by name.
    """

    name: str = "equations of state"
    spec: EquationOfStateSpec = field(default_factory=EquationOfStateSpec)
    min_atoms: int = 12
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str]) -> StructureSetDoc:
        """Return the scaled cells of all phases."""
        crystals = {name: load_crystal(name, self.structure_files) for name in phases}
        key = content_key(
            KIND,
            generator="equations of state",
            spec=self.spec,
            min_atoms=self.min_atoms,
            crystals=phase_keys(crystals),
        )

        def compute() -> StructureSetDoc:
            frames, origins = [], []
            details: dict[str, dict[str, float | int | str]] = {}
            for name, crystal in crystals.items():
                for cell in equation_of_state(
                    crystal, self.spec.n_volumes, self.spec.max_strain, self.min_atoms
                ):
                    frames.append(cell)
                    origins.append(Origin.of(CRYSTAL, f"{name} equation of state"))
                    details[structure_key(cell)] = {"linear_strain": float(cell.info["strain"])}
            return store_set(key, "equations of state", frames, origins, details)

        return cached(KIND, key, StructureSetDoc, compute)


@dataclass
class VacanciesMaker(Maker):
    """Make rattled supercells of every phase with a neutral vacancy.

    Their origins belong to the family of crystals, which trains.

    Parameters
    ----------
    spec
        Number of vacancies and size of the supercell.
    structure_files
        Structure files of the user's phases, by name.
    """

    name: str = "vacancies"
    spec: VacancySpec = field(default_factory=VacancySpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str], seed: int) -> StructureSetDoc:
        """Return the supercells of all phases."""
        crystals = {name: load_crystal(name, self.structure_files) for name in phases}
        key = content_key(
            KIND, generator="vacancies", spec=self.spec, seed=seed, crystals=phase_keys(crystals)
        )

        def compute() -> StructureSetDoc:
            frames, origins, details = [], [], {}
            for index, (name, crystal) in enumerate(crystals.items()):
                for defect in vacancies(
                    crystal,
                    self.spec.n_per_phase,
                    self.spec.min_atoms,
                    self.spec.rattle_angstrom,
                    seed + PHASE_SEED_STEP * (index + 1),
                ):
                    frames.append(defect)
                    origins.append(Origin.of(CRYSTAL, f"{name} vacancies"))
                    details[structure_key(defect)] = dict(defect.info)
            return store_set(key, "vacancies", frames, origins, details)

        return cached(KIND, key, StructureSetDoc, compute)
