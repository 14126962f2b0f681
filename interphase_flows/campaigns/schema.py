"""The schema of a campaign file: every key that may be written, its type, range and default."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.references.spec import ChgnetSpec, GpawSpec, VaspSpec

Positive = Annotated[float, Field(gt=0.0)]
Temperature = Annotated[float, Field(gt=0.0, le=5000.0)]
TimestepFs = Annotated[float, Field(gt=0.0, le=5.0)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _named(value: Any) -> Any:
    """Let ``reference: gpaw`` stand for ``reference: {method: gpaw}``."""
    if isinstance(value, str):
        return {"method": value}
    return {"method": "chgnet", **value} if isinstance(value, dict) else value


ReferenceSpec = Annotated[
    Annotated[ChgnetSpec | GpawSpec | VaspSpec, Field(discriminator="method")], BeforeValidator(_named)
]
"""What labels come from: a method's name, or a block with its settings."""


class GateSpec(_Spec):
    """Limits beyond which a label never trains."""

    max_force_ev_per_angstrom: Positive = 30.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.55
    energy_window_ev_per_atom: Positive = 2.0
    max_virial_ev_per_atom: Positive = 10.0
    max_net_force_ev_per_angstrom: Positive = 0.05
    max_asymmetry_ev_per_angstrom: Positive = 0.02
    duplicate_tolerance_angstrom: Annotated[float, Field(gt=0.0, le=0.02)] = 0.002


class CrystalSpec(_Spec):
    """Strained and rattled crystals of every phase."""

    n_per_phase: CountOrNone = 8
    max_strain: Annotated[float, Field(ge=0.0, le=0.2)] = 0.04
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=0.5)] = 0.12
    min_atoms: Count = 12


class EquationOfStateSpec(_Spec):
    """Isotropically scaled cells of every phase: how its energy and pressure depend on the volume."""

    n_volumes: CountOrNone = 0
    max_strain: Annotated[float, Field(gt=0.0, le=0.2)] = 0.06


class VacancySpec(_Spec):
    """Supercells of every phase with one atom missing: sites distinct by symmetry in turn, rattled."""

    n_per_phase: CountOrNone = 0
    min_atoms: Annotated[int, Field(ge=4)] = 32
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05


class SlabSpec(_Spec):
    """Surfaces of every phase, cut between whole molecular anions, the flattest faces first."""

    n_per_phase: CountOrNone = 0
    max_miller: Annotated[int, Field(ge=1, le=3)] = 1
    min_thickness_angstrom: Annotated[float, Field(ge=3.0, le=60.0)] = 8.0
    vacuum_angstrom: Annotated[float, Field(ge=6.0, le=40.0)] = 12.0
    max_atoms: Annotated[int, Field(ge=4)] = 120


class DimerSpec(_Spec):
    """Two atoms in an empty box, for every pair of elements: what a potential learns of short distances.

    Distances begin at ``min_distance_fraction`` of the sum of the covalent radii, which the gates must let
    pass, and end at ``max_distance_fraction``.
    """

    n_distances: CountOrNone = 0
    min_distance_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.85
    max_distance_fraction: Annotated[float, Field(ge=1.0, le=3.0)] = 1.6
    isolated_atoms: bool = False
    box_angstrom: Annotated[float, Field(ge=6.0, le=40.0)] = 12.0


FacePair = Annotated[str, Field(pattern=r"^(-?\d){3}/(-?\d){3}$")]
"""Miller indices of electrode and electrolyte: ``110/001``, ``1-10/011``."""


class AmorphousSpec(_Spec):
    """Amorphous cells on the composition line from electrode to electrolyte, melted and quenched.

    ``electrode_fractions`` are fractions of atoms that come from the electrode; 24/45 is the
    composition at which Li7P3S11 reacts fully with lithium.
    """

    electrode_fractions: list[Annotated[float, Field(ge=0.0, le=1.0)]] = [0.07, 0.53]
    n_per_fraction: CountOrNone = 2
    n_atoms: Annotated[int, Field(ge=8)] = 45
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: Count = 25
    quench_steps: Count = 25
    timestep_fs: TimestepFs = 2.0
    snapshot_interval_steps: Count = 5


class InterfaceSnapshotSpec(_Spec):
    """Short reactive dynamics of interfaces with the reference method; one trajectory is one origin."""

    temperatures_K: list[Temperature] = [300.0, 500.0, 700.0]
    n_steps: Count = 60
    timestep_fs: TimestepFs = 2.0
    snapshot_interval_steps: Count = 5


class InterfaceSpec(_Spec):
    """Interfaces of electrode and electrolyte; ``laptop`` is the smallest cell with whole anions.

    Trajectories and walkers take the pairs of ``facets`` and ``gaps_angstrom`` in turn, facets first; an
    empty list means the one face of ``size``, and ``gap_angstrom``.  ``n_as_built`` interfaces of each pair
    are labelled as they were built.
    """

    size: Literal["laptop", "coherent"] = "laptop"
    gap_angstrom: Annotated[float, Field(gt=1.0, le=5.0)] = 2.2
    max_strain: Annotated[float, Field(gt=0.0, le=0.15)] = 0.05
    max_atoms: Annotated[int, Field(ge=20)] = 90
    facets: list[FacePair] = []
    gaps_angstrom: list[Annotated[float, Field(gt=1.0, le=5.0)]] = []
    n_as_built: CountOrNone = 0
    snapshots: InterfaceSnapshotSpec = InterfaceSnapshotSpec()


class StructuresSpec(_Spec):
    """The initial structures.

    ``dynamics_method`` drives melts, quenches and interface snapshots: ``surrogate`` is CHGNet, which is cheap,
    and its energies are thrown away; labels always come from the reference method.  ``max_first_labels`` keeps
    the perfect crystals and a structure of every origin, then the most diverse; the others are not paid for.
    """

    dynamics_method: Literal["surrogate", "reference"] = "surrogate"
    max_first_labels: Count | None = None
    crystals: CrystalSpec = CrystalSpec()
    equations_of_state: EquationOfStateSpec = EquationOfStateSpec()
    vacancies: VacancySpec = VacancySpec()
    slabs: SlabSpec = SlabSpec()
    dimers: DimerSpec = DimerSpec()
    amorphous: AmorphousSpec = AmorphousSpec()
    interfaces: InterfaceSpec = InterfaceSpec()


class DynamicsSpec(_Spec):
    """Langevin dynamics at constant volume."""

    temperature_K: Temperature = 300.0
    timestep_fs: TimestepFs = 2.0
    friction_per_ps: Positive = 10.0


class ExplorationSpec(_Spec):
    """Molecular dynamics that looks for what the committee does not know.

    ``audit`` walkers are explored like the others, but their frames only ever test.
    """

    dynamics: DynamicsSpec = DynamicsSpec(temperature_K=500.0)
    n_interface_walkers: Count = 2
    n_amorphous_walkers: CountOrNone = 1
    n_audit_walkers: Count = 1
    steps_per_iteration: Count = 200
    frame_interval_steps: Count = 10
    watch_interval_steps: Count = 10
    checkpoint_interval_steps: Count = 50
    runaway_temperature_factor: Annotated[float, Field(gt=1.0)] = 3.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5


class LearningSpec(_Spec):
    """The loop: how much an iteration may spend and when to stop.

    Thresholds are expected errors of the worst force in a frame; every iteration calibrates the
    committee's standard deviation against them.
    """

    min_iterations: CountOrNone = 0
    max_iterations: Count = 10
    labels_per_iteration: Count = 20
    audit_labels_per_iteration: Count = 6
    max_labels: Count = 2000
    select_force_error_ev_per_angstrom: Positive = 0.5
    stop_force_error_ev_per_angstrom: Positive = 1.5
    target_force_mae_mev_per_angstrom: Positive = 100.0
    target_fraction_above_select: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15
    test_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15

    @model_validator(mode="after")
    def _levels_in_order(self) -> "LearningSpec":
        if self.stop_force_error_ev_per_angstrom <= self.select_force_error_ev_per_angstrom:
            raise ValueError(
                "stop_force_error_ev_per_angstrom must be larger than select_force_error_ev_per_angstrom: "
                "a frame is collected before it halts a segment"
            )
        if self.min_iterations > self.max_iterations:
            raise ValueError("min_iterations must not exceed max_iterations")
        return self


class ProductionSpec(_Spec):
    """Replicas of the interface with the released committee, each a chain of restartable segments."""

    dynamics: DynamicsSpec = DynamicsSpec()
    n_replicas: Count = 3
    n_segments: Count = 2
    steps_per_segment: Count = 500
    frame_interval_steps: Count = 20
    watch_interval_steps: Count = 20
    checkpoint_interval_steps: Count = 100
    equilibration_fs: Annotated[float, Field(ge=0.0)] = 200.0
    audit_labels_per_replica: Count = 4

    @model_validator(mode="after")
    def _every_frame_is_watched(self) -> "ProductionSpec":
        if self.frame_interval_steps % self.watch_interval_steps:
            raise ValueError(
                f"frame_interval_steps ({self.frame_interval_steps}) must be a multiple of watch_interval_steps "
                f"({self.watch_interval_steps}): every stored frame carries its uncertainty"
            )
        return self


class ThermodynamicsSpec(_Spec):
    """Geometries of the phases whose energies make the convex hull; energies come from the reference method.

    ``automatic`` relaxes the cell if geometry and energy are of one method, and keeps the published cell if
    not: CHGNet's own volume of Li7P3S11 is 6.8 % too large (docs: settings of DFT).
    """

    relax_with: Literal["surrogate", "reference"] = "surrogate"
    cell: Literal["automatic", "fixed", "relaxed"] = "automatic"
    max_steps: Count = 120


class AnalysisSpec(_Spec):
    """What is measured on the production trajectories."""

    bin_width_angstrom: Positive = 1.0
    anion_centre_elements: list[str] = ["P"]
    ligand_elements: list[str] = ["S"]
    centre_ligand_cutoff_angstrom: Positive = 2.6
    centre_centre_cutoff_angstrom: Positive = 2.6


class Campaign(_Spec):
    """Everything from an electrode and an electrolyte to a report."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
    description: str = ""
    seed: Annotated[int, Field(ge=0)] = 1
    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    phases: Annotated[list[str], Field(min_length=2)] = ["Li", "Li2S", "Li3P", "LiP", "Li3PS4", "Li7P3S11"]
    hull_phases: list[str] = ["P", "S", "Li2PS3", "LiPS3"]
    structure_files: dict[str, str] = {}
    reference: ReferenceSpec = ChgnetSpec()
    gates: GateSpec = GateSpec()
    structures: StructuresSpec = StructuresSpec()
    committee: CommitteeSpec = CommitteeSpec()
    exploration: ExplorationSpec = ExplorationSpec()
    learning: LearningSpec = LearningSpec()
    production: ProductionSpec = ProductionSpec()
    thermodynamics: ThermodynamicsSpec = ThermodynamicsSpec()
    analysis: AnalysisSpec = AnalysisSpec()

    @model_validator(mode="after")
    def _ends_are_phases(self) -> "Campaign":
        for role in ("electrode", "electrolyte"):
            name = getattr(self, role)
            if name not in self.phases:
                raise ValueError(f"{role} {name!r} is not among phases {self.phases}: add it there")
        return self

    def with_absolute_files(self, folder: Path) -> "Campaign":
        """Return the campaign with its structure files as absolute paths, relative ones from ``folder``.

        Jobs run in folders of their own, so a relative path would mean another file there.
        """
        files = {
            name: str((folder / path).expanduser().resolve()) for name, path in self.structure_files.items()
        }
        return self.model_copy(update={"structure_files": files})
