"""Initial data: generate structures and label them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Self, TypeAlias

from jobflow import Flow, Job, Maker, OnMissing

from interphase_flows.campaign.initial_labels import InitialLabelsSpec
from interphase_flows.campaign.schema import Campaign
from interphase_flows.datasets.splits import split_origins
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.import_labels import ImportLabelsMaker
from interphase_flows.jobs.inputs import Crystal
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker, gather_labels
from interphase_flows.jobs.structures.amorphous import AmorphousMaker, amorphous_origin
from interphase_flows.jobs.structures.crystals import (
    CrystalsMaker,
    EquationsOfStateMaker,
    RattledCrystalsMaker,
    SlabsMaker,
    VacanciesMaker,
    WalkerCrystalsMaker,
)
from interphase_flows.jobs.structures.dimers import DimersMaker
from interphase_flows.jobs.structures.initial_structures import JoinSetsMaker, StartsMaker, place_walkers
from interphase_flows.jobs.structures.interfaces import InterfaceMaker, SnapshotsMaker
from interphase_flows.reference.registry import method_spec
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.schemas.segment import Walker

Ends: TypeAlias = tuple[Crystal, Crystal]
AMORPHOUS_SEED = 100
SNAPSHOT_SEED = 200
WALKER_SEED = 300
VACANCY_SEED = 400
RATTLED_SEED = 450
AS_BUILT_VARIANT = 1000
"""First in-plane shift of interfaces labelled as built; no walker starts from one of them."""
AS_BUILT_FAMILY = "as built/variant"


@dataclass
class InitialDataMaker(Maker):
    """Generate and label crystals, surfaces, dimers, amorphous cells, interfaces and short reactive trajectories.

    Every cell and every interface is a separate job; the jobs that join them continue without failed ones.

    Parameters
    ----------
    interface_maker
        Interfaces that snapshots and walkers start from; its ``spec`` has facets, gaps and the number labelled as built.
    snapshots_maker, amorphous_maker, crystals_maker, equations_of_state_maker, rattled_maker
        Kinds of labelled structures; None leaves a kind out. Temperatures of the snapshots, and compositions and
        numbers of the amorphous cells, are in the ``spec`` of their Maker.
    vacancies_maker, slabs_maker, dimers_maker
        Further kinds, which None leaves out too.
    starts_maker, join_maker, label_set_maker
        Collect the initial structures of walkers; join the labelled structures; label them. Without ``label_set_maker``
        only the structures that walkers start from are generated, and the labels are imported.
    import_maker, label_files
        Imports labels of other programs from these files.
    n_interface_walkers, n_audit_walkers, n_amorphous_walkers, n_crystal_walkers
        Walkers that explore and audit from interfaces, that explore from amorphous cells, and whose random frames are
        labelled, from crystals of electrolyte and electrode in turn.
    walker_crystals_maker
        Perfect supercells that crystal walkers start from.
    temperatures_K
        Temperatures that walkers of each of these kinds take in turn; without them, that of their segments.
    seed, validation_fraction, test_fraction
        Of the split of the dataset: no walker starts from an amorphous cell that is held out.
    """

    name: str = "initial data"
    interface_maker: InterfaceMaker = field(default_factory=InterfaceMaker)
    snapshots_maker: SnapshotsMaker | None = field(default_factory=SnapshotsMaker)
    amorphous_maker: AmorphousMaker | None = field(default_factory=AmorphousMaker)
    crystals_maker: CrystalsMaker | None = field(default_factory=CrystalsMaker)
    equations_of_state_maker: EquationsOfStateMaker | None = field(default_factory=EquationsOfStateMaker)
    rattled_maker: RattledCrystalsMaker | None = field(default_factory=RattledCrystalsMaker)
    vacancies_maker: VacanciesMaker | None = None
    slabs_maker: SlabsMaker | None = None
    dimers_maker: DimersMaker | None = None
    walker_crystals_maker: WalkerCrystalsMaker = field(default_factory=WalkerCrystalsMaker)
    starts_maker: StartsMaker = field(default_factory=StartsMaker)
    join_maker: JoinSetsMaker = field(default_factory=JoinSetsMaker)
    import_maker: ImportLabelsMaker | None = None
    label_files: Sequence[str] = field(default_factory=list)
    label_set_maker: LabelSetMaker | None = field(default_factory=LabelSetMaker)
    n_interface_walkers: int = 2
    n_audit_walkers: int = 1
    n_amorphous_walkers: int = 1
    n_crystal_walkers: int = 1
    temperatures_K: Sequence[float] = field(default_factory=list)
    seed: int = 1
    validation_fraction: float = 0.15
    test_fraction: float = 0.15

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        s, files = campaign.structures, campaign.structure_files
        driver = campaign.reference if s.dynamics_method == "reference" else method_spec("chgnet")
        scaled = EquationsOfStateMaker(spec=s.equations_of_state, structure_files=files)
        rattled = RattledCrystalsMaker(spec=s.equations_of_state, structure_files=files)
        vacancies = VacanciesMaker(spec=s.vacancies, structure_files=files)
        slabs = SlabsMaker(spec=s.slabs, structure_files=files)
        dimers = DimersMaker(spec=s.dimers, structure_files=files)
        maker = cls(
            interface_maker=InterfaceMaker(spec=s.interfaces, structure_files=files),
            snapshots_maker=SnapshotsMaker(spec=s.interfaces.snapshots, driver=driver),
            amorphous_maker=AmorphousMaker(spec=s.amorphous, driver=driver, structure_files=files),
            crystals_maker=CrystalsMaker(spec=s.crystals, structure_files=files),
            equations_of_state_maker=scaled if s.equations_of_state.n_volumes else None,
            rattled_maker=rattled
            if s.equations_of_state.n_volumes and s.equations_of_state.n_rattled_per_volume
            else None,
            vacancies_maker=vacancies if s.vacancies.n_per_phase else None,
            slabs_maker=slabs if s.slabs.n_per_phase else None,
            dimers_maker=dimers if s.dimers.n_distances or s.dimers.isolated_atoms else None,
            walker_crystals_maker=WalkerCrystalsMaker(structure_files=files),
            join_maker=JoinSetsMaker(max_structures=s.max_first_labels),
            label_set_maker=LabelSetMaker(label_maker=LabelMaker(reference=campaign.reference, gates=campaign.gates)),
            n_interface_walkers=campaign.exploration.n_interface_walkers,
            n_audit_walkers=campaign.exploration.n_audit_walkers,
            n_amorphous_walkers=campaign.exploration.n_amorphous_walkers,
            n_crystal_walkers=campaign.exploration.n_crystal_walkers,
            temperatures_K=campaign.exploration.temperatures_K,
            seed=campaign.seed,
            validation_fraction=campaign.learning.validation_fraction,
            test_fraction=campaign.learning.test_fraction,
        )
        return maker if campaign.initial_labels is None else maker._importing(campaign, campaign.initial_labels)

    def _importing(self, campaign: Campaign, labels: InitialLabelsSpec) -> Self:
        """Return the Maker that imports labels as well, or instead of labelling generated structures."""
        importing = replace(
            self, import_maker=ImportLabelsMaker.from_campaign(campaign), label_files=list(labels.files)
        )
        if campaign.labels_generated_structures:
            return importing
        spec = self.interface_maker.spec.model_copy(update={"n_as_built": 0})
        return replace(
            importing,
            interface_maker=replace(self.interface_maker, spec=spec),
            snapshots_maker=None,
            crystals_maker=None,
            equations_of_state_maker=None,
            rattled_maker=None,
            vacancies_maker=None,
            slabs_maker=None,
            dimers_maker=None,
            label_set_maker=None,
        )

    def make(
        self,
        electrode: Crystal = "Li",
        electrolyte: Crystal = "Li7P3S11",
        phases: Sequence[Crystal] = (),
        other_walkers: Sequence[Walker] = (),
    ) -> Flow:
        """Return a flow whose output has ``batch`` (labels of ``structures``), ``starts`` (of runs) and ``walkers``.

        Parameters
        ----------
        phases
            Phases of crystals, slabs, dimers; by default electrode and electrolyte.
        other_walkers
            Walkers without initial structure, such as `ExplorationMaker.melt_quench_walkers`.
        """
        ends = (electrode, electrolyte)
        amorphous = self._amorphous(ends)
        interfaces = self._interfaces(ends, self._n_snapshots + self.n_interface_walkers + self.n_audit_walkers)
        snapshots = self._snapshots(interfaces)
        made = [*self._static(phases or ends, ends), *amorphous, *snapshots, *self._as_built(ends)]
        crystals = self._crystals_of_walkers(ends)
        interface_sets, other_sets = ([job.output for job in jobs] for jobs in (interfaces, [*amorphous, *crystals]))
        starts = self.starts_maker.make(interface_sets, other_sets)
        walkers = place_walkers([*self.walkers(), *other_walkers], interface_sets, other_sets)
        structures, labels = starts, []
        if self.label_set_maker is not None:
            structures = self.join_maker.make([job.output for job in made], [job.name for job in made], starts.output)
            labels.append(self.label_set_maker.make(structures.output))
            labels[0].name = f"{labels[0].name}, iteration 0"  # like those of later iterations
            made.append(structures)
        for gathering in (starts, structures, walkers):
            gathering.config.on_missing_references = OnMissing.NONE
        if self.import_maker is not None:
            labels.append(self.import_maker.make(self.label_files))
        if len(labels) > 1:
            labels.append(gather_labels([each.output for each in labels]))
            labels[-1].name = "join labels"
        if not labels:
            raise InputError("there are no initial labels. Hint: give a label_set_maker or an import_maker")
        for each in labels:
            each.update_metadata({ITERATION: 0})
        return Flow(
            [*interfaces, *crystals, *made, starts, walkers, *labels],
            output={
                "batch": labels[-1].output,
                "starts": starts.output,
                "walkers": walkers.output,
                "structures": structures.output,
            },
            name=self.name,
        )

    def _static(self, phases: Sequence[Crystal], ends: Ends) -> list[Job]:
        """Return the generator jobs without dynamics."""
        jobs = []
        if self.crystals_maker is not None:
            jobs.append(self.crystals_maker.make(phases, self.seed))
        if self.equations_of_state_maker is not None:
            jobs.append(self.equations_of_state_maker.make(phases))
        if self.rattled_maker is not None:
            jobs.append(self.rattled_maker.make(ends, self.seed + RATTLED_SEED))
        if self.vacancies_maker is not None:
            jobs.append(self.vacancies_maker.make(phases, self.seed + VACANCY_SEED))
        if self.slabs_maker is not None:
            jobs.append(self.slabs_maker.make(phases))
        if self.dimers_maker is not None:
            jobs.append(self.dimers_maker.make(phases))
        return jobs

    def _amorphous(self, ends: Ends) -> list[Job]:
        if self.amorphous_maker is None:
            return []
        cells = self._amorphous_cells()
        jobs = [self.amorphous_maker.make(*ends, x_electrode, seed) for x_electrode, seed in cells]
        return _numbered("amorphous", jobs)

    def _crystals_of_walkers(self, ends: Ends) -> list[Job]:
        """Return the jobs of crystals that walkers start from: the electrolyte, then the electrode."""
        jobs = [self.walker_crystals_maker.make([end], self.seed) for end in ends[::-1][: self.n_crystal_walkers]]
        return _numbered("crystal of walkers", jobs)

    def _snapshots(self, interfaces: Sequence[Job]) -> list[Job]:
        if self.snapshots_maker is None:
            return []
        jobs = [
            self.snapshots_maker.make(interface.output, temperature_K, self.seed + SNAPSHOT_SEED + index)
            for index, (interface, temperature_K) in enumerate(
                zip(interfaces, self.snapshots_maker.spec.temperatures_K, strict=False)
            )
        ]
        return _numbered("interface snapshots", jobs)

    def _interfaces(self, ends: Ends, n: int) -> list[Job]:
        """Return the jobs of interfaces that trajectories and walkers start from, cycling through facets and gaps."""
        pairs = self._facets_and_gaps()
        jobs = [self.interface_maker.make(*ends, variant, *pairs[variant % len(pairs)]) for variant in range(n)]
        return _numbered("interface", jobs)

    def _as_built(self, ends: Ends) -> list[Job]:
        """Return the jobs of interfaces that are labelled as built."""
        maker = replace(self.interface_maker, family=AS_BUILT_FAMILY)
        pairs = [pair for pair in self._facets_and_gaps() for _ in range(maker.spec.n_as_built)]
        jobs = [maker.make(*ends, AS_BUILT_VARIANT + index, *pair) for index, pair in enumerate(pairs)]
        return _numbered("interface as built", jobs)

    def _facets_and_gaps(self) -> Sequence[tuple[str | None, float]]:
        """Return all combinations of facets and gaps; facets vary fastest."""
        spec = self.interface_maker.spec
        facets: Sequence[str | None] = spec.facets or [None]
        gaps_angstrom = spec.gaps_angstrom or [spec.gap_angstrom]
        return [(facet, gap) for gap, facet in product(gaps_angstrom, facets)]

    @property
    def _n_snapshots(self) -> int:
        return 0 if self.snapshots_maker is None else len(self.snapshots_maker.spec.temperatures_K)

    def walkers(self) -> list[Walker]:
        """Return the walkers on interfaces, amorphous cells and crystals, including the audit walkers.

        Indices count all requested initial structures; :func:`place_walkers` removes missing ones. Every walker on an
        interface has a different in-plane shift, so that its frames are independent of trajectories in other splits.
        Walkers on amorphous cells continue from labelled frames, so only cells in the training split are used.
        """
        seed = self.seed + WALKER_SEED
        n_walkers = self.n_interface_walkers + self.n_audit_walkers
        walkers = [
            Walker(
                run_id=f"interface-{index}" if index < self.n_interface_walkers else f"audit-{index}",
                role="explore" if index < self.n_interface_walkers else "audit",
                seed=seed + index,
                index=self._n_snapshots + index,
                temperature_K=self._temperature_K(index),
            )
            for index in range(n_walkers)
        ]
        first_cell = self._n_snapshots + n_walkers
        first_crystal = first_cell + len(self._amorphous_cells())
        crystals = [
            Walker(
                run_id=f"crystal-{index}",
                role="sample",
                seed=seed + 200 + index,
                index=first_crystal + index % 2,
                temperature_K=self._temperature_K(index),
            )
            for index in range(self.n_crystal_walkers)
        ]
        amorphous = [
            Walker(
                run_id=f"amorphous-{index}",
                role="explore",
                seed=seed + 100 + index,
                index=first_cell + cell,
                temperature_K=self._temperature_K(index),
            )
            for index, cell in enumerate(self._training_cells()[: self.n_amorphous_walkers])
        ]
        return [*walkers, *amorphous, *crystals]

    def _temperature_K(self, number: int) -> float | None:
        return self.temperatures_K[number % len(self.temperatures_K)] if self.temperatures_K else None

    def _amorphous_cells(self) -> list[tuple[float, int]]:
        """Return the mole fraction of electrode and the seed of every amorphous cell."""
        if self.amorphous_maker is None:
            return []
        spec = self.amorphous_maker.spec
        fractions = [f for f in spec.electrode_fractions for _ in range(spec.n_per_fraction)]
        return [(f, self.seed + AMORPHOUS_SEED + index) for index, f in enumerate(fractions)]

    def _training_cells(self) -> list[int]:
        """Return the indices of the amorphous cells in the training split, which depends on their origins only."""
        origins = [amorphous_origin(fraction, seed) for fraction, seed in self._amorphous_cells()]
        splits = split_origins(origins, {}, self.seed, self.validation_fraction, self.test_fraction)
        return [index for index, origin in enumerate(origins) if splits[origin] == "train"]


def _numbered(name: str, jobs: list[Job]) -> list[Job]:
    """Set the names of jobs of one kind."""
    for index, job in enumerate(jobs):
        job.name = f"{name} {index}"
    return jobs
