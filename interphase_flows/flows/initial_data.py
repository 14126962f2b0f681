"""Initial data: generate structures and label them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from jobflow import Flow, Job, Maker, OnMissing

from interphase_flows.campaign.schema import Campaign
from interphase_flows.datasets.splits import split_origins
from interphase_flows.flows.exploration import melt_quench_walker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.structures.amorphous import AmorphousMaker, amorphous_origin
from interphase_flows.jobs.structures.crystals import (
    CrystalsMaker,
    EquationsOfStateMaker,
    SlabsMaker,
    VacanciesMaker,
)
from interphase_flows.jobs.structures.dimers import DimersMaker
from interphase_flows.jobs.structures.initial_structures import JoinSetsMaker, StartsMaker, place_walkers
from interphase_flows.jobs.structures.interfaces import InterfaceMaker, SnapshotsMaker
from interphase_flows.reference.registry import method_spec
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.schemas.segment import Walker

AMORPHOUS_SEED = 100
SNAPSHOT_SEED = 200
WALKER_SEED = 300
VACANCY_SEED = 400
AS_BUILT_VARIANT = 1000
"""First in-plane shift of interfaces labelled as built; no walker starts from one of them."""


@dataclass
class InitialDataMaker(Maker):
    """Generate and label crystals, surfaces, dimers, amorphous cells, interfaces and short reactive trajectories.

    Every cell and every interface is a separate job; the jobs that join them continue without failed ones.
    """

    campaign: Campaign
    name: str = "initial data"

    def make(self) -> Flow:
        """Return a flow whose output has ``batch`` (labels), ``starts`` (initial structures of runs) and ``walkers``."""
        spec = self.campaign
        files, structures = spec.structure_files, spec.structures
        driver = spec.reference if structures.dynamics_method == "reference" else method_spec("chgnet")
        ends = (spec.electrode, spec.electrolyte)
        amorphous = [
            AmorphousMaker(
                name=f"amorphous {index}", spec=structures.amorphous, driver=driver, structure_files=files
            ).make(*ends, fraction, seed)
            for index, (fraction, seed) in enumerate(self._amorphous_cells())
        ]
        temperatures_K = structures.interfaces.snapshots.temperatures_K
        interfaces = self._interfaces(len(temperatures_K) + self.n_interface_walkers)
        snapshots = [
            SnapshotsMaker(
                name=f"interface snapshots {index}", spec=structures.interfaces.snapshots, driver=driver
            ).make(interfaces[index].output, temperature_K, spec.seed + SNAPSHOT_SEED + index)
            for index, temperature_K in enumerate(temperatures_K)
        ]
        made = [*self._static(), *amorphous, *snapshots, *self._as_built()]
        interface_sets, amorphous_sets = ([job.output for job in jobs] for jobs in (interfaces, amorphous))
        starts = StartsMaker().make(interface_sets, amorphous_sets)
        joined = JoinSetsMaker(max_structures=structures.max_first_labels).make(
            [job.output for job in made], [job.name for job in made], starts.output
        )
        walkers = place_walkers(self.walkers(), interface_sets, amorphous_sets)
        for gathering in (starts, joined, walkers):
            gathering.config.on_missing_references = OnMissing.NONE
        labels = LabelSetMaker(label_maker=LabelMaker(reference=spec.reference, gates=spec.gates)).make(joined.output)
        labels.name = f"{labels.name} (0)"  # like those of later iterations
        labels.update_metadata({ITERATION: 0})
        return Flow(
            [*interfaces, *made, starts, joined, walkers, labels],
            output={"batch": labels.output, "starts": starts.output, "walkers": walkers.output},
            name=self.name,
        )

    def _static(self) -> list[Job]:
        """Return the generator jobs without dynamics that the campaign requests."""
        spec, s = self.campaign, self.campaign.structures
        files = spec.structure_files
        jobs = [CrystalsMaker(spec=s.crystals, structure_files=files).make(spec.phases, spec.seed)]
        if s.equations_of_state.n_volumes:
            scaled = EquationsOfStateMaker(
                spec=s.equations_of_state, min_atoms=s.crystals.min_atoms, structure_files=files
            )
            jobs.append(scaled.make(spec.phases))
        if s.vacancies.n_per_phase:
            defects = VacanciesMaker(spec=s.vacancies, structure_files=files)
            jobs.append(defects.make(spec.phases, spec.seed + VACANCY_SEED))
        if s.slabs.n_per_phase:
            jobs.append(SlabsMaker(spec=s.slabs, structure_files=files).make(spec.phases))
        if s.dimers.n_distances or s.dimers.isolated_atoms:
            jobs.append(DimersMaker(spec=s.dimers, structure_files=files).make(spec.phases))
        return jobs

    def _interfaces(self, n: int) -> list[Job]:
        """Return the jobs of interfaces that trajectories and walkers start from, cycling through facets and gaps."""
        pairs = self._facets_and_gaps()
        maker = InterfaceMaker(spec=self.campaign.structures.interfaces, structure_files=self.campaign.structure_files)
        return [
            self._interface(maker, variant, *pairs[variant % len(pairs)], name=f"interface {variant}")
            for variant in range(n)
        ]

    def _as_built(self) -> list[Job]:
        """Return the jobs of interfaces that are labelled as built."""
        spec = self.campaign.structures.interfaces
        maker = InterfaceMaker(spec=spec, structure_files=self.campaign.structure_files, family="as built/variant")
        pairs = [pair for pair in self._facets_and_gaps() for _ in range(spec.n_as_built)]
        return [
            self._interface(maker, AS_BUILT_VARIANT + index, facet, gap_angstrom, name=f"interface as built {index}")
            for index, (facet, gap_angstrom) in enumerate(pairs)
        ]

    def _interface(self, maker: InterfaceMaker, variant: int, facet: str | None, gap_angstrom: float, name: str) -> Job:
        job = maker.make(self.campaign.electrode, self.campaign.electrolyte, variant, facet, gap_angstrom)
        job.name = name
        return job

    def _facets_and_gaps(self) -> Sequence[tuple[str | None, float]]:
        """Return all combinations of facets and gaps; facets vary fastest."""
        spec = self.campaign.structures.interfaces
        facets: Sequence[str | None] = spec.facets or [None]
        gaps_angstrom = spec.gaps_angstrom or [spec.gap_angstrom]
        return [(facet, gap) for gap, facet in product(gaps_angstrom, facets)]

    @property
    def n_interface_walkers(self) -> int:
        """Number of walkers on interfaces, exploring and audit."""
        return self.campaign.exploration.n_interface_walkers + self.campaign.exploration.n_audit_walkers

    def walkers(self) -> list[Walker]:
        """Return the walkers on interfaces, amorphous cells and packings, including the audit walkers.

        Indices count all requested initial structures; :func:`place_walkers` removes missing ones. Every walker on an
        interface has a different in-plane shift, so that its frames are independent of trajectories in other splits.
        Walkers on amorphous cells continue from labelled frames, so only cells in the training split are used.
        Packings of melt-quench walkers are new structures.
        """
        spec, structures = self.campaign.exploration, self.campaign.structures
        seed = self.campaign.seed + WALKER_SEED
        n_snapshots = len(structures.interfaces.snapshots.temperatures_K)
        walkers: list[Walker] = [
            Walker(
                run_id=f"interface-{index}" if index < spec.n_interface_walkers else f"audit-{index}",
                role="explore" if index < spec.n_interface_walkers else "audit",
                seed=seed + index,
                index=n_snapshots + index,
            )
            for index in range(self.n_interface_walkers)
        ]
        n_interfaces = n_snapshots + self.n_interface_walkers
        cells = self._training_cells()
        walkers += [
            Walker(
                run_id=f"amorphous-{index}",
                role="explore",
                seed=seed + 100 + index,
                index=n_interfaces + cell,
            )
            for index, cell in enumerate(cells[: spec.n_amorphous_walkers])
        ]
        return walkers + [melt_quench_walker(self.campaign, number) for number in range(spec.n_melt_quench_walkers)]

    def _amorphous_cells(self) -> list[tuple[float, int]]:
        """Return the mole fraction of electrode and the seed of every amorphous cell."""
        spec = self.campaign.structures.amorphous
        fractions = [f for f in spec.electrode_fractions for _ in range(spec.n_per_fraction)]
        return [(f, self.campaign.seed + AMORPHOUS_SEED + index) for index, f in enumerate(fractions)]

    def _training_cells(self) -> list[int]:
        """Return the indices of the amorphous cells in the training split, which depends on their origins only."""
        origins = [amorphous_origin(fraction, seed) for fraction, seed in self._amorphous_cells()]
        learning = self.campaign.learning
        splits = split_origins(origins, {}, self.campaign.seed, learning.validation_fraction, learning.test_fraction)
        return [index for index, origin in enumerate(origins) if splits[origin] == "train"]
