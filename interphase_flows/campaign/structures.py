"""The block ``structures`` of a campaign file: what a campaign begins with."""

from typing import Annotated, Literal

from pydantic import Field

from interphase_flows.campaign.values import Count, CountOrNone, Fraction, Spec, Temperature, TimestepFs


class CrystalSpec(Spec):
    """Strained and rattled crystals of every phase."""

    n_per_phase: CountOrNone = 8
    max_strain: Annotated[float, Field(ge=0.0, le=0.2)] = 0.04
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=0.5)] = 0.12
    min_atoms: Count = 12


class EquationOfStateSpec(Spec):
    """Isotropically scaled cells of every phase: how its energy and pressure depend on the volume."""

    n_volumes: CountOrNone = 0
    max_strain: Annotated[float, Field(gt=0.0, le=0.2)] = 0.06


class VacancySpec(Spec):
    """Supercells of every phase with one atom missing: sites distinct by symmetry in turn, rattled."""

    n_per_phase: CountOrNone = 0
    min_atoms: Annotated[int, Field(ge=4)] = 32
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05


class SlabSpec(Spec):
    """Surfaces of every phase, cut between whole molecular anions, the flattest faces first."""

    n_per_phase: CountOrNone = 0
    max_miller: Annotated[int, Field(ge=1, le=3)] = 1
    min_thickness_angstrom: Annotated[float, Field(ge=3.0, le=60.0)] = 8.0
    vacuum_angstrom: Annotated[float, Field(ge=6.0, le=40.0)] = 12.0
    max_atoms: Annotated[int, Field(ge=4)] = 120


class DimerSpec(Spec):
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


class AmorphousSpec(Spec):
    """Amorphous cells on the composition line from electrode to electrolyte, melted and quenched.

    ``electrode_fractions`` are fractions of atoms that come from the electrode; 24/45 is the
    composition at which Li7P3S11 reacts fully with lithium.
    """

    electrode_fractions: list[Fraction] = [0.07, 0.53]
    n_per_fraction: CountOrNone = 2
    n_atoms: Annotated[int, Field(ge=8)] = 45
    melt_temperature_K: Temperature = 1500.0
    quench_temperature_K: Temperature = 300.0
    melt_steps: Count = 25
    quench_steps: Count = 25
    timestep_fs: TimestepFs = 2.0
    snapshot_interval_steps: Count = 5


class InterfaceSnapshotSpec(Spec):
    """Short reactive dynamics of interfaces with the reference method; one trajectory is one origin."""

    temperatures_K: list[Temperature] = [300.0, 500.0, 700.0]
    n_steps: Count = 60
    timestep_fs: TimestepFs = 2.0
    snapshot_interval_steps: Count = 5


class InterfaceSpec(Spec):
    """Interfaces of electrode and electrolyte; ``smallest`` is the smallest cell with intact anions.

    Trajectories and walkers take the pairs of ``facets`` and ``gaps_angstrom`` in turn, facets first; an
    empty list means the one face of ``size``, and ``gap_angstrom``.  ``n_as_built`` interfaces of each pair
    are labelled as they were built.
    """

    size: Literal["smallest", "coherent"] = "smallest"
    gap_angstrom: Annotated[float, Field(gt=1.0, le=5.0)] = 2.2
    max_strain: Annotated[float, Field(gt=0.0, le=0.15)] = 0.05
    max_atoms: Annotated[int, Field(ge=20)] = 90
    facets: list[FacePair] = []
    gaps_angstrom: list[Annotated[float, Field(gt=1.0, le=5.0)]] = []
    n_as_built: CountOrNone = 0
    snapshots: InterfaceSnapshotSpec = InterfaceSnapshotSpec()


class StructuresSpec(Spec):
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
