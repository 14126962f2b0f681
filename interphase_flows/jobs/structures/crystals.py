"""Jobs that make structures from the crystal of every phase: strained, scaled, with vacancies, cut to slabs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ase import Atoms

from interphase_flows.campaign.structures import CrystalSpec, EquationOfStateSpec, SlabSpec, VacancySpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached, settings_of
from interphase_flows.jobs.inputs import Crystal, JobMaker, as_crystals, open_job
from interphase_flows.jobs.structures.structure_sets import KIND, store_set
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.origin import CRYSTAL, EQUATION_OF_STATE, Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.perturb import (
    WALKER_ATOMS,
    equation_of_state,
    rattled_at_volumes,
    strained_and_rattled,
    walker_supercell,
)
from interphase_flows.structures.crystals.vacancies import vacancies
from interphase_flows.structures.interfaces.slabs import slabs
from interphase_flows.structures.structure_keys import structure_key

PHASE_SEED_STEP = 1000
"""Difference between the seeds of two phases."""


def phase_keys(crystals: Mapping[str, Atoms]) -> dict[str, str]:
    """Return the structure keys of crystals by name; a file enters a content key by its structure, not its path."""
    return {name: structure_key(atoms) for name, atoms in crystals.items()}


@dataclass
class PhaseStructuresMaker(JobMaker, ABC):
    """Make structures from the crystal of every phase; subclasses define the structures of one phase.

    The fields of a subclass are its settings, and enter the content key.

    Parameters
    ----------
    structure_files
        Structure files of the user's phases, by name.
    """

    name: str = "structures of phases"
    structure_files: dict[str, str] = field(default_factory=dict)

    origin: ClassVar[str] = "crystal/{}"
    """Origin of the structures of a phase; braces stand for its name. The family of crystals trains."""

    @open_job(output_schema=StructureSetDoc)
    def make(self, phases: Crystal | Sequence[Crystal], seed: int = 0) -> StructureSetDoc:
        """Return the structures of all phases, with their ``Atoms.info`` as details."""
        crystals = as_crystals(phases, self.structure_files)
        key = content_key(
            KIND,
            generator=type(self).__name__,
            settings=settings_of(self),
            seed=seed,
            crystals=phase_keys(crystals),
        )

        def compute() -> StructureSetDoc:
            frames: list[Atoms] = []
            origins: list[Origin] = []
            notes: list[str] = []
            for done, (name, crystal) in enumerate(crystals.items(), start=1):
                made = self.structures_of_phase(crystal, seed + PHASE_SEED_STEP * done)
                frames += made
                origins += [Origin(self.origin.format(name))] * len(made)
                notes += [f"{name}: {note}" for note in self.notes_on(made)]
                emit(self.name, done, len(crystals), name)
            details = {structure_key(frame): dict(frame.info) for frame in frames if frame.info}
            return store_set(key, self.name, frames, origins, details, notes)

        return cached(KIND, key, StructureSetDoc, compute)

    @abstractmethod
    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the structures of one phase."""

    def notes_on(self, made: Sequence[Atoms]) -> list[str]:
        """Return notes for the user on the structures of one phase."""
        return []


@dataclass
class CrystalsMaker(PhaseStructuresMaker):
    """Make the perfect crystal of every phase, and strained and rattled copies."""

    name: str = "crystals"
    spec: CrystalSpec = field(default_factory=CrystalSpec)

    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the perfect crystal, then the strained copies."""
        spec = self.spec
        perfect = strained_and_rattled(crystal, 1, 0.0, 0.0, seed, spec.min_atoms)
        return perfect + strained_and_rattled(
            crystal, spec.n_per_phase, spec.max_strain, spec.rattle_angstrom, seed, spec.min_atoms
        )


@dataclass
class WalkerCrystalsMaker(PhaseStructuresMaker):
    """Make a perfect supercell of each phase that walkers start from."""

    name: str = "crystals of walkers"
    min_atoms: int = WALKER_ATOMS

    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the supercell; the seed has no effect."""
        return [walker_supercell(crystal, self.min_atoms)]


@dataclass
class EquationsOfStateMaker(PhaseStructuresMaker):
    """Make isotropically scaled cells of every phase, of as few atoms as its crystal has."""

    name: str = "equations of state"
    spec: EquationOfStateSpec = field(default_factory=EquationOfStateSpec)

    origin: ClassVar[str] = CRYSTAL + "/{}" + EQUATION_OF_STATE

    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the scaled cells, densest first; the seed has no effect."""
        return equation_of_state(crystal, self.spec.n_volumes, self.spec.max_strain)


@dataclass
class RattledCrystalsMaker(PhaseStructuresMaker):
    """Make rattled supercells at the volumes of `EquationsOfStateMaker`, for the phases that production has in bulk."""

    name: str = "rattled cells"
    spec: EquationOfStateSpec = field(default_factory=EquationOfStateSpec)

    origin: ClassVar[str] = CRYSTAL + "/{} scaled and rattled"

    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the supercells of one phase, volume by volume, densest first."""
        spec = self.spec
        return rattled_at_volumes(
            crystal,
            spec.n_volumes,
            spec.max_strain,
            spec.n_rattled_per_volume,
            spec.max_rattle_fraction,
            spec.rattled_min_atoms,
            seed,
        )


@dataclass
class VacanciesMaker(PhaseStructuresMaker):
    """Make rattled supercells of every phase with a neutral vacancy."""

    name: str = "vacancies"
    spec: VacancySpec = field(default_factory=VacancySpec)

    origin: ClassVar[str] = "crystal/{} vacancies"

    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the supercells of one phase."""
        spec = self.spec
        return vacancies(crystal, spec.n_per_phase, spec.min_atoms, spec.rattle_angstrom, seed)


@dataclass
class SlabsMaker(PhaseStructuresMaker):
    """Make slabs of every phase in vacuum; the notes name phases with fewer slabs than requested."""

    name: str = "slabs"
    spec: SlabSpec = field(default_factory=SlabSpec)

    origin: ClassVar[str] = "slab/{}"

    def structures_of_phase(self, crystal: Atoms, seed: int) -> list[Atoms]:
        """Return the slabs of one phase; the seed has no effect."""
        spec = self.spec
        return slabs(
            crystal,
            spec.n_per_phase,
            spec.max_miller,
            spec.min_thickness_angstrom,
            spec.vacuum_angstrom,
            spec.max_atoms,
        )

    def notes_on(self, made: Sequence[Atoms]) -> list[str]:
        """Return why there are fewer slabs than requested."""
        if len(made) == self.spec.n_per_phase:
            return []
        return [
            f"{len(made)} of {self.spec.n_per_phase} slabs; no other surface up to Miller index "
            f"{self.spec.max_miller} has a slab of at most {self.spec.max_atoms} atoms"
        ]
