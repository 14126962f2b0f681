"""Block `structures` of a campaign file: the initial structures."""

from typing import Annotated, Literal

from pydantic import Field

from interphase_flows.campaign.values import (
    MOST_ATOMS,
    MOST_VALUES,
    Count,
    CountOrNone,
    Fraction,
    LabelCount,
    Spec,
    StepCount,
    Temperature,
    TimestepFs,
)


class CrystalSpec(Spec):
    """Strained and rattled crystals of every phase."""

    n_per_phase: CountOrNone = 8
    max_strain: Annotated[float, Field(ge=0.0, le=0.2)] = 0.04
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=0.5)] = 0.12
    min_atoms: Count = 12


class EquationOfStateSpec(Spec):
    """Isotropically scaled crystals of every phase, without which constant pressure gives wrong volumes.

    With five volumes or more, the equilibrium volume and bulk modulus of the potential are compared with the labels.
    Rattled supercells of electrode and electrolyte teach the volume at finite temperature: a potential that is right for
    perfect lithium can expand it by 20 % at 300 K.
    """

    n_volumes: CountOrNone = 7
    max_strain: Annotated[float, Field(gt=0.0, le=0.2)] = 0.06
    n_rattled_per_volume: CountOrNone = 4
    max_rattle_fraction: Annotated[float, Field(gt=0.0, le=0.2)] = 0.1
    rattled_min_atoms: Count = 16


class VacancySpec(Spec):
    """Rattled supercells of every phase with one vacancy, over its symmetry-distinct sites in turn."""

    n_per_phase: CountOrNone = 0
    min_atoms: Annotated[int, Field(ge=4, le=MOST_ATOMS)] = 32
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05


class SlabSpec(Spec):
    """Slabs of every phase that keep molecular anions intact, low-index faces first."""

    n_per_phase: CountOrNone = 0
    max_miller: Annotated[int, Field(ge=1, le=3)] = 1
    min_thickness_angstrom: Annotated[float, Field(ge=3.0, le=60.0)] = 8.0
    vacuum_angstrom: Annotated[float, Field(ge=6.0, le=40.0)] = 12.0
    max_atoms: Annotated[int, Field(ge=4, le=MOST_ATOMS)] = 120


class DimerSpec(Spec):
    """Dimers of every pair of elements in an empty box, which train short distances.

    Distances range from ``min_distance_fraction`` to ``max_distance_fraction`` times the sum of the covalent radii; the
    gates must accept the shortest.
    """

    n_distances: CountOrNone = 0
    min_distance_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.85
    max_distance_fraction: Annotated[float, Field(ge=1.0, le=3.0)] = 1.6
    isolated_atoms: bool = False
    box_angstrom: Annotated[float, Field(ge=6.0, le=40.0)] = 12.0


FacePair = Annotated[str, Field(pattern=r"^(-?\d){3}/(-?\d){3}$")]
"""Miller indices of electrode and electrolyte: ``110/001``, ``1-10/011``."""


class AmorphousSpec(Spec):
    """Amorphous cells on the composition line from electrode to electrolyte, melted and quenched.

    ``electrode_fractions`` are fractions of atoms from the electrode; at 24/45, Li7P3S11 reacts completely with
    lithium.
    """

    electrode_fractions: Annotated[list[Fraction], Field(max_length=MOST_VALUES)] = [0.07, 0.53]
    n_per_fraction: CountOrNone = 2
    n_atoms: Annotated[int, Field(ge=8, le=MOST_ATOMS)] = 45
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: StepCount = 25
    quench_steps: StepCount = 25
    timestep_fs: TimestepFs = 2.0
    snapshot_interval_steps: StepCount = 5


class InterfaceSnapshotSpec(Spec):
    """Short reactive dynamics of interfaces; the frames of a trajectory share one origin."""

    temperatures_K: Annotated[list[Temperature], Field(max_length=MOST_VALUES)] = [300.0, 500.0, 700.0]
    n_steps: StepCount = 60
    timestep_fs: TimestepFs = 2.0
    snapshot_interval_steps: StepCount = 5


class InterfaceStructuresSpec(Spec):
    """Interfaces of electrode and electrolyte; ``smallest`` is the smallest cell with intact anions.

    Trajectories and walkers use the pairs of ``facets`` and ``gaps_angstrom`` in turn, facets first; an empty list
    stands for the default face of ``size`` and for ``gap_angstrom``. ``n_as_built`` unrelaxed interfaces of each pair
    are labelled as well.
    """

    size: Literal["smallest", "coherent"] = "smallest"
    gap_angstrom: Annotated[float, Field(gt=1.0, le=5.0)] = 2.2
    max_strain: Annotated[float, Field(gt=0.0, le=0.15)] = 0.05
    max_atoms: Annotated[int, Field(ge=20, le=MOST_ATOMS)] = 90
    facets: Annotated[list[FacePair], Field(max_length=MOST_VALUES)] = []
    gaps_angstrom: Annotated[list[Annotated[float, Field(gt=1.0, le=5.0)]], Field(max_length=MOST_VALUES)] = []
    n_as_built: CountOrNone = 0
    snapshots: InterfaceSnapshotSpec = InterfaceSnapshotSpec()


class StructuresSpec(Spec):
    """The initial structures.

    ``dynamics_method`` drives melts, quenches and interface snapshots: ``surrogate`` is CHGNet, which is cheap; its
    energies are not used, as labels always come from the reference method. ``max_first_labels`` limits the labels to
    the perfect crystals, one structure of every origin, and then the most diverse structures.
    """

    dynamics_method: Literal["surrogate", "reference"] = "surrogate"
    max_first_labels: LabelCount | None = None
    crystals: CrystalSpec = CrystalSpec()
    equations_of_state: EquationOfStateSpec = EquationOfStateSpec()
    vacancies: VacancySpec = VacancySpec()
    slabs: SlabSpec = SlabSpec()
    dimers: DimerSpec = DimerSpec()
    amorphous: AmorphousSpec = AmorphousSpec()
    interfaces: InterfaceStructuresSpec = InterfaceStructuresSpec()
