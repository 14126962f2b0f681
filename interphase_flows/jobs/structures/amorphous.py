"""Jobs that make amorphous cells, and random packings for walkers to melt."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from interphase_flows.campaign.structures import AmorphousSpec
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached, cached_exclusive
from interphase_flows.jobs.inputs import Crystal, JobMaker, as_crystal, open_job
from interphase_flows.jobs.structures.structure_sets import KIND, store_set
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.md.segment import Progress
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.amorphous.mixtures import mixture_packing
from interphase_flows.structures.structure_keys import structure_key

SNAPSHOT_CHECKPOINT_STEPS = 10


def temperature_progress(stage: str) -> Progress:
    """Return a callback that reports the progress and temperature of dynamics."""
    return lambda step, n_steps, info: emit(stage, step, n_steps, f"{info['temperature_K']:.0f} K")


def amorphous_origin(x_electrode: float, seed: int) -> Origin:
    """Return the origin of the frames of an amorphous cell; cells of one composition are one family."""
    return Origin.of(f"amorphous x={x_electrode:.2f}", str(seed))


@dataclass
class PackingMaker(JobMaker):
    """Make a random packing of electrode and electrolyte."""

    name: str = "packing"
    n_atoms: int = 45
    structure_files: dict[str, str] = field(default_factory=dict)

    @open_job(output_schema=StructureSetDoc)
    def make(
        self, electrode: Crystal, electrolyte: Crystal, x_electrode: float = 0.5, seed: int = 0
    ) -> StructureSetDoc:
        """Return a set of one structure of composition ``x_electrode``, the mole fraction of electrode."""
        ends = [as_crystal(each, self.structure_files)[1] for each in (electrode, electrolyte)]
        key = content_key(
            KIND,
            generator="packing",
            n_atoms=self.n_atoms,
            ends=[structure_key(end) for end in ends],
            x_electrode=x_electrode,
            seed=seed,
        )

        def compute() -> StructureSetDoc:
            packed = mixture_packing(x_electrode, self.n_atoms, seed, *ends)
            return store_set(key, "packing", [packed], [amorphous_origin(x_electrode, seed)])

        return cached(KIND, key, StructureSetDoc, compute)


@dataclass
class AmorphousMaker(JobMaker):
    """Make an amorphous cell: random packing, then melt and quench.

    The energies of the ``driver`` of the dynamics, the surrogate or the reference method, are not stored.
    """

    name: str = "amorphous"
    spec: AmorphousSpec = field(default_factory=AmorphousSpec)
    driver: MethodSpec = field(default_factory=ChgnetSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @open_job(output_schema=StructureSetDoc)
    def make(
        self, electrode: Crystal, electrolyte: Crystal, x_electrode: float = 0.5, seed: int = 0
    ) -> StructureSetDoc:
        """Return the packing and the snapshots of one cell, the quenched one last; all have the same origin."""
        workspace = current_workspace()
        method = reference_method(self.driver, workspace.settings)
        ends = [as_crystal(each, self.structure_files)[1] for each in (electrode, electrolyte)]
        key = content_key(
            KIND,
            generator="amorphous",
            spec=self.spec.model_dump(exclude={"electrode_fractions", "n_per_fraction"}),
            method=method.identity.key,
            ends=[structure_key(end) for end in ends],
            x_electrode=x_electrode,
            seed=seed,
        )

        end = deadline(workspace.settings)

        def compute(folder: Path) -> StructureSetDoc:
            started = time.monotonic()
            packed = mixture_packing(x_electrode, self.spec.n_atoms, seed, *ends)
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
                    LangevinNVT(temperature_K=temperature_K, timestep_fs=self.spec.timestep_fs, friction_per_ps=50.0),
                    n_steps,
                    self.spec.snapshot_interval_steps,
                    seed,
                    folder / f"stage-{index}",
                    previous=folder / f"stage-{index - 1}" if index else None,
                    checkpoint_interval_steps=SNAPSHOT_CHECKPOINT_STEPS,
                    on_progress=temperature_progress(f"melt and quench x={x_electrode:.2f}, {temperature_K:.0f} K"),
                    stop_requested=lambda: end.is_over,
                )
            ]
            origin = amorphous_origin(x_electrode, seed)
            return store_set(
                key,
                origin,
                [packed, *frames],
                [origin] * (1 + len(frames)),
                wall_time_s=time.monotonic() - started,
            )

        return cached_exclusive(KIND, key, StructureSetDoc, end, f"amorphous x={x_electrode:.2f}", compute)
