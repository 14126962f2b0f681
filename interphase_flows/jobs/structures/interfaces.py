"""Jobs that build interfaces and run short reactive dynamics of them."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from interphase_flows.campaign.labelled_interfaces import build_labelled_interface
from interphase_flows.campaign.structures import InterfaceSnapshotSpec, InterfaceStructuresSpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached, cached_exclusive
from interphase_flows.jobs.inputs import Crystal, JobMaker, as_crystal, open_job
from interphase_flows.jobs.structures.amorphous import SNAPSHOT_CHECKPOINT_STEPS, temperature_progress
from interphase_flows.jobs.structures.structure_sets import KIND, Structures, as_set, load_set, store_set
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.origin import INTERFACE, Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import phase_names
from interphase_flows.structures.interfaces import builder as interfaces
from interphase_flows.structures.structure_keys import structure_key


@dataclass
class InterfaceMaker(JobMaker):
    """Build an interface of electrode and electrolyte with intact anions; strain and gap are in its details.

    Initial structures of walkers and interfaces labelled as built have different families of origins.
    """

    name: str = "interface"
    spec: InterfaceStructuresSpec = field(default_factory=InterfaceStructuresSpec)
    structure_files: dict[str, str] = field(default_factory=dict)
    family: str = "interface/start"

    @open_job(output_schema=StructureSetDoc)
    def make(
        self,
        electrode: Crystal,
        electrolyte: Crystal,
        variant: int = 0,
        facet: str | None = None,
        gap_angstrom: float | None = None,
    ) -> StructureSetDoc:
        """Return one interface; ``variant`` selects the in-plane shift of the electrode."""
        gap_angstrom = self.spec.gap_angstrom if gap_angstrom is None else gap_angstrom
        (name, film), (other_name, substrate) = (as_crystal(s, self.structure_files) for s in (electrode, electrolyte))
        ends = film, substrate
        library = set(phase_names()) - set(self.structure_files)
        sources = (electrode, electrolyte)
        in_library = all(isinstance(source, str) and source in library for source in sources)
        is_named = all(
            isinstance(source, str) and source in library | self.structure_files.keys() for source in sources
        )
        key = content_key(
            KIND,
            generator="interface",
            spec=self.spec.model_dump(include={"size", "max_strain", "max_atoms"}),
            ends=[structure_key(end) for end in ends],
            facet=facet,
            gap_angstrom=gap_angstrom,
            variant=variant,
            family=self.family,
            # given crystals are matched on all faces, phases of the library on selected ones
            **({} if is_named else {"faces": "all"}),
        )

        def compute() -> StructureSetDoc:
            built = build_labelled_interface(
                self.spec,
                (name, other_name),
                ends,
                facet,
                gap_angstrom,
                variant,
                replaced=() if in_library else (name, other_name),
            )
            origin = Origin(f"{self.family}-{variant}")
            return store_set(key, origin, [built.atoms], [origin], {origin: interface_details(built)})

        return cached(KIND, key, StructureSetDoc, compute)


def interface_details(built: interfaces.BuiltInterface) -> dict[str, float | int | str]:
    """Return what a structure set records of an interface."""
    electrode_angstrom, electrolyte_angstrom = interfaces.thicknesses_angstrom(built)
    return {
        "film_strain": built.film_strain,
        "n_broken_units": built.n_broken_units,
        "gap_angstrom": built.gap_angstrom,
        "area_angstrom2": built.area_angstrom2,
        "n_atoms": built.n_atoms,
        "film_miller": "({}{}{})".format(*built.spec.film_miller),
        "substrate_miller": "({}{}{})".format(*built.spec.substrate_miller),
        "termination": built.spec.termination,
        "electrode_angstrom": electrode_angstrom,
        "electrolyte_angstrom": electrolyte_angstrom,
    }


@dataclass
class SnapshotsMaker(JobMaker):
    """Run short reactive dynamics of an interface and keep snapshots, all with the same origin.

    The energies of the ``driver`` of the dynamics, the surrogate or the reference method, are not stored.
    """

    name: str = "interface snapshots"
    spec: InterfaceSnapshotSpec = field(default_factory=InterfaceSnapshotSpec)
    driver: MethodSpec = field(default_factory=ChgnetSpec)

    @open_job(output_schema=StructureSetDoc)
    def make(self, interface: Structures, temperature_K: float, seed: int = 0) -> StructureSetDoc:
        """Return the snapshots of one interface at one temperature."""
        interface = as_set(interface)
        workspace = current_workspace()
        method = reference_method(self.driver, workspace.settings)
        key = content_key(
            KIND,
            generator="snapshots",
            spec=self.spec.model_dump(exclude={"temperatures_K"}),
            method=method.identity.key,
            start=interface.entries[0].key,
            temperature_K=temperature_K,
            seed=seed,
        )

        end = deadline(workspace.settings)

        def compute(folder: Path) -> StructureSetDoc:
            started = time.monotonic()
            frames = reference_snapshots(
                load_set(interface)[0],
                method.calculator(),
                LangevinNVT(temperature_K=temperature_K, timestep_fs=self.spec.timestep_fs, friction_per_ps=20.0),
                self.spec.n_steps,
                self.spec.snapshot_interval_steps,
                seed,
                folder,
                checkpoint_interval_steps=SNAPSHOT_CHECKPOINT_STEPS,
                on_progress=temperature_progress(f"{self.driver.method} interface at {temperature_K:.0f} K"),
                stop_requested=lambda: end.is_over,
            )
            origin = Origin.of(INTERFACE, f"{temperature_K:.0f}K-{seed}")
            return store_set(key, origin, frames, [origin] * len(frames), wall_time_s=time.monotonic() - started)

        return cached_exclusive(KIND, key, StructureSetDoc, end, f"dynamics at {temperature_K:.0f} K", compute)
