"""Jobs that make structures: crystals, amorphous cells, interfaces, and short reference dynamics."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from ase import Atoms
from jobflow import Maker, job

from interphase_flows.campaigns.schema import AmorphousSpec, CrystalSpec, InterfaceSnapshotSpec, InterfaceSpec
from interphase_flows.documents.records import StructureSetDoc
from interphase_flows.exceptions import StructureError
from interphase_flows.jobs.once import once
from interphase_flows.jobs.structure_sets import load_set, store_set
from interphase_flows.keys import content_key
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.md.segment import Progress
from interphase_flows.progress import emit
from interphase_flows.references.registry import reference_method
from interphase_flows.references.spec import ChgnetSpec, MethodSpec
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures import interfaces
from interphase_flows.structures.amorphous import (
    composition_on_line,
    estimate_volume_per_atom_angstrom3,
    random_packing,
)
from interphase_flows.structures.keys import structure_key
from interphase_flows.structures.laptop import laptop_interface
from interphase_flows.structures.library import load_phase, load_structure_file
from interphase_flows.structures.melt_quench import soft_push_off
from interphase_flows.structures.perturb import strained_and_rattled

KIND = "structure_sets"
SNAPSHOT_CHECKPOINT_STEPS = 10


def phase(name: str, structure_files: dict[str, str]) -> Atoms:
    """Return a phase from the user's file, if the campaign names one, else from the package."""
    return load_structure_file(structure_files[name]) if name in structure_files else load_phase(name)


def _told(stage: str) -> Progress:
    return lambda step, n_steps, info: emit(stage, step, n_steps, f"{info['temperature_K']:.0f} K")


def amorphous_origin(x_electrode: float, seed: int) -> str:
    """Return the origin of the frames of an amorphous cell; cells of one composition are a family."""
    return f"amorphous x={x_electrode:.2f}/{seed}"


@dataclass
class CrystalsMaker(Maker):
    """Strained and rattled copies of every phase, and each phase as it is.

    Parameters
    ----------
    spec
        How many, how far.
    structure_files
        Files of phases that the package does not have.
    """

    name: str = "crystals"
    spec: CrystalSpec = field(default_factory=CrystalSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str], seed: int) -> StructureSetDoc:
        """Make the crystals of all phases."""
        crystals = {name: phase(name, self.structure_files) for name in phases}
        key = content_key(
            KIND,
            generator="crystals",
            spec=self.spec,
            seed=seed,
            crystals={name: structure_key(atoms) for name, atoms in crystals.items()},
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
                    seed=seed + 1000 * (index + 1),
                    min_atoms=self.spec.min_atoms,
                )
                frames += perfect + strained
                origins += [f"crystal/{name}"] * (1 + len(strained))
            return store_set(key, "crystals", frames, origins)

        return once(KIND, key, StructureSetDoc, compute)


@dataclass
class AmorphousMaker(Maker):
    """An amorphous cell: random packing, then melt and quench with the reference method.

    Parameters
    ----------
    spec
        Size, temperatures and lengths.
    driver
        What drives the melt and the quench; its energies are not kept.
    """

    name: str = "amorphous"
    spec: AmorphousSpec = field(default_factory=AmorphousSpec)
    driver: MethodSpec = field(default_factory=ChgnetSpec)

    @job(output_schema=StructureSetDoc)
    def make(self, electrode: str, electrolyte: str, x_electrode: float, seed: int) -> StructureSetDoc:
        """Make one cell; its frames share an origin."""
        workspace = current_workspace()
        method = reference_method(self.driver, workspace.settings)
        key = content_key(
            KIND,
            generator="amorphous",
            spec=self.spec.model_dump(exclude={"electrode_fractions", "n_per_fraction"}),
            method=method.identity.key,
            ends=[electrode, electrolyte],
            x_electrode=x_electrode,
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            began = time.monotonic()
            composition = composition_on_line(x_electrode, self.spec.n_atoms, electrode, electrolyte)
            volume = estimate_volume_per_atom_angstrom3(composition, electrode, electrolyte)
            packed = soft_push_off(random_packing(composition, seed, volume_per_atom_angstrom3=volume))
            stages = [
                (self.spec.melt_temperature_K, self.spec.melt_steps),
                (self.spec.quench_temperature_K, self.spec.quench_steps),
            ]
            frames = [
                frame
                for index, (temperature_K, n_steps) in enumerate(stages)
                for frame in reference_snapshots(
                    packed if index == 0 else None,
                    method.calculator(),
                    LangevinNVT(
                        temperature_K=temperature_K, timestep_fs=self.spec.timestep_fs, friction_per_ps=50.0
                    ),
                    n_steps,
                    self.spec.snapshot_interval_steps,
                    seed,
                    workspace.work_folder(KIND, key) / f"stage-{index}",
                    previous=workspace.work_folder(KIND, key) / f"stage-{index - 1}" if index else None,
                    checkpoint_interval_steps=SNAPSHOT_CHECKPOINT_STEPS,
                    on_progress=_told(f"melt and quench x={x_electrode:.2f}, {temperature_K:.0f} K"),
                )
            ]
            origin = amorphous_origin(x_electrode, seed)
            return store_set(
                key,
                origin,
                [packed, *frames],
                [origin] * (1 + len(frames)),
                wall_time_s=time.monotonic() - began,
            )

        return once(KIND, key, StructureSetDoc, compute)


@dataclass
class InterfaceMaker(Maker):
    """An interface of electrode and electrolyte with whole anions; its strain and gap are on record.

    Parameters
    ----------
    spec
        Size, gap, and how much strain the electrode may take.
    """

    name: str = "interface"
    spec: InterfaceSpec = field(default_factory=InterfaceSpec)

    @job(output_schema=StructureSetDoc)
    def make(self, electrode: str, electrolyte: str, variants: Sequence[int]) -> StructureSetDoc:
        """Make variants of the interface: each shifts the electrode in plane and cuts another termination."""
        key = content_key(
            KIND,
            generator="interface",
            spec=self.spec.model_dump(exclude={"snapshots"}),
            ends=[electrode, electrolyte],
            variants=list(variants),
        )

        def compute() -> StructureSetDoc:
            built = [self._build(electrode, electrolyte, variant) for variant in variants]
            origins = [f"interface/start-{variant}" for variant in variants]
            details: dict[str, dict[str, float | int | str]] = {
                origin: {
                    "film_strain": b.film_strain,
                    "n_broken_units": b.n_broken_units,
                    "gap_angstrom": b.gap_angstrom,
                    "area_angstrom2": b.area_angstrom2,
                    "n_atoms": b.n_atoms,
                    "film_miller": "({}{}{})".format(*b.spec.film_miller),
                    "substrate_miller": "({}{}{})".format(*b.spec.substrate_miller),
                    "termination": b.spec.termination,
                }
                for origin, b in zip(origins, built, strict=True)
            }
            return store_set(key, "interfaces", [b.atoms for b in built], origins, details)

        return once(KIND, key, StructureSetDoc, compute)

    def _build(self, electrode: str, electrolyte: str, variant: int) -> interfaces.BuiltInterface:
        if self.spec.size == "laptop":
            if (electrode, electrolyte) != ("Li", "Li7P3S11"):
                raise StructureError(
                    f"structures.interfaces.size: 'laptop' knows Li on Li7P3S11 only, not {electrode} on "
                    f"{electrolyte}; write 'coherent'"
                )
            return laptop_interface(
                seed=variant,
                gap_angstrom=self.spec.gap_angstrom,
                max_atoms=self.spec.max_atoms,
                max_strain=self.spec.max_strain,
            )
        spec = interfaces.InterfaceSpec(electrode=electrode, electrolyte=electrolyte)
        return interfaces.build_interface(
            replace(
                spec,
                gap_angstrom=self.spec.gap_angstrom,
                max_atoms=self.spec.max_atoms,
                max_strain=self.spec.max_strain,
                seed=variant,
            )
        )


@dataclass
class SnapshotsMaker(Maker):
    """Short reactive dynamics of one interface with the reference method; its frames share an origin.

    Parameters
    ----------
    spec
        Length and spacing.
    driver
        What drives the dynamics; its energies are not kept.
    """

    name: str = "interface snapshots"
    spec: InterfaceSnapshotSpec = field(default_factory=InterfaceSnapshotSpec)
    driver: MethodSpec = field(default_factory=ChgnetSpec)

    @job(output_schema=StructureSetDoc)
    def make(self, starts: StructureSetDoc, index: int, temperature_K: float, seed: int) -> StructureSetDoc:
        """Advance the structure ``index`` of a set and keep snapshots."""
        workspace = current_workspace()
        method = reference_method(self.driver, workspace.settings)
        key = content_key(
            KIND,
            generator="snapshots",
            spec=self.spec.model_dump(exclude={"temperatures_K"}),
            method=method.identity.key,
            start=starts.entries[index].key,
            temperature_K=temperature_K,
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            began = time.monotonic()
            start = load_set(starts)[index]
            frames = reference_snapshots(
                start,
                method.calculator(),
                LangevinNVT(
                    temperature_K=temperature_K, timestep_fs=self.spec.timestep_fs, friction_per_ps=20.0
                ),
                self.spec.n_steps,
                self.spec.snapshot_interval_steps,
                seed,
                workspace.work_folder(KIND, key),
                checkpoint_interval_steps=SNAPSHOT_CHECKPOINT_STEPS,
                on_progress=_told(f"{self.driver.method} interface at {temperature_K:.0f} K"),
            )
            origin = f"interface/{temperature_K:.0f}K-{seed}"
            return store_set(
                key, origin, frames, [origin] * len(frames), wall_time_s=time.monotonic() - began
            )

        return once(KIND, key, StructureSetDoc, compute)


@dataclass
class JoinSetsMaker(Maker):
    """Join sets of structures into one, each structure once."""

    name: str = "join structures"

    @job(output_schema=StructureSetDoc)
    def make(self, sets: Sequence[StructureSetDoc]) -> StructureSetDoc:
        """Keep the order of the sets; of equal structures, the first."""
        key = content_key(KIND, generator="join", sets=[s.key for s in sets])

        def compute() -> StructureSetDoc:
            frames, origins, seen = [], [], set()
            for each in sets:
                for frame, entry in zip(load_set(each), each.entries, strict=True):
                    if entry.key not in seen:
                        seen.add(entry.key)
                        frames.append(frame)
                        origins.append(entry.origin)
            emit("structures", len(frames), len(frames), f"{int(np.sum([len(f) for f in frames]))} atoms")
            return store_set(key, "initial structures", frames, origins)

        return once(KIND, key, StructureSetDoc, compute)


@dataclass
class StartsMaker(Maker):
    """Where runs begin: the interfaces, then the last (quenched) frame of every amorphous cell."""

    name: str = "starts"

    @job(output_schema=StructureSetDoc)
    def make(self, interfaces: StructureSetDoc, amorphous: Sequence[StructureSetDoc]) -> StructureSetDoc:
        """Return one set; an interface keeps its index."""
        key = content_key(KIND, generator="starts", sets=[interfaces.key, *(a.key for a in amorphous)])

        def compute() -> StructureSetDoc:
            frames = load_set(interfaces) + [load_set(cell)[-1] for cell in amorphous]
            return store_set(key, "starts", frames, [f.info["origin"] for f in frames], interfaces.details)

        return once(KIND, key, StructureSetDoc, compute)
