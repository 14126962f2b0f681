"""The first structures of a campaign, labelled."""

from dataclasses import dataclass

from jobflow import Flow, Maker

from interphase_flows.campaigns.schema import Campaign
from interphase_flows.datasets.splits import split_origins
from interphase_flows.documents.records import Walker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.structures import (
    AmorphousMaker,
    CrystalsMaker,
    InterfaceMaker,
    JoinSetsMaker,
    SnapshotsMaker,
    StartsMaker,
    amorphous_origin,
)
from interphase_flows.references.registry import method_spec

AMORPHOUS_SEED = 100
SNAPSHOT_SEED = 200
WALKER_SEED = 300


@dataclass
class InitialDataMaker(Maker):
    """Crystals, amorphous cells and short reactive dynamics of interfaces, labelled by the reference method.

    Parameters
    ----------
    campaign
        What to make and how much of it.
    """

    campaign: Campaign
    name: str = "initial data"

    def make(self) -> Flow:
        """Return a flow with ``batch`` (labels) and ``starts`` (structures where walkers begin)."""
        spec = self.campaign
        driver = spec.reference if spec.structures.dynamics_method == "reference" else method_spec("chgnet")
        ends = (spec.electrode, spec.electrolyte)
        crystals = CrystalsMaker(spec=spec.structures.crystals, structure_files=spec.structure_files).make(
            spec.phases, spec.seed
        )
        amorphous = [
            AmorphousMaker(spec=spec.structures.amorphous, driver=driver).make(*ends, fraction, seed)
            for fraction, seed in self._amorphous_cells()
        ]
        temperatures_K = spec.structures.interfaces.snapshots.temperatures_K
        n_variants = len(temperatures_K) + self.n_interface_walkers
        interfaces = InterfaceMaker(spec=spec.structures.interfaces).make(*ends, list(range(n_variants)))
        snapshots = [
            SnapshotsMaker(spec=spec.structures.interfaces.snapshots, driver=driver).make(
                interfaces.output, index, temperature_K, spec.seed + SNAPSHOT_SEED + index
            )
            for index, temperature_K in enumerate(temperatures_K)
        ]
        for index, each in enumerate([*amorphous, *snapshots]):
            each.name = f"{each.name} {index}"
        made = [crystals, *amorphous, *snapshots]
        joined = JoinSetsMaker().make([each.output for each in made])
        labels = LabelSetMaker(label_maker=LabelMaker(reference=spec.reference, gates=spec.gates)).make(
            joined.output
        )
        starts = StartsMaker().make(interfaces.output, [each.output for each in amorphous])
        return Flow(
            [interfaces, *made, joined, labels, starts],
            output={"batch": labels.output, "starts": starts.output, "interfaces": interfaces.output},
            name=self.name,
        )

    @property
    def n_interface_walkers(self) -> int:
        """Walkers on interfaces: those that explore and those of the audit."""
        return self.campaign.exploration.n_interface_walkers + self.campaign.exploration.n_audit_walkers

    def walkers(self) -> list[Walker]:
        """Return the runs that explore: on interfaces, on amorphous cells, and for the audit.

        Every walker on an interface has a variant of its own, so that it is no sibling of a
        trajectory on another side of the split.  A walker on an amorphous cell goes on from frames that
        are labelled, so only cells whose frames train are walked from.
        """
        spec, structures = self.campaign.exploration, self.campaign.structures
        seed = self.campaign.seed + WALKER_SEED
        n_snapshots = len(structures.interfaces.snapshots.temperatures_K)
        walkers = [
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
        return walkers + [
            Walker(
                run_id=f"amorphous-{index}",
                role="explore",
                seed=seed + 100 + index,
                index=n_interfaces + cell,
            )
            for index, cell in enumerate(cells[: spec.n_amorphous_walkers])
        ]

    def _amorphous_cells(self) -> list[tuple[float, int]]:
        """Return the fraction of electrode and the seed of every amorphous cell."""
        spec = self.campaign.structures.amorphous
        fractions = [f for f in spec.electrode_fractions for _ in range(spec.n_per_fraction)]
        return [(f, self.campaign.seed + AMORPHOUS_SEED + index) for index, f in enumerate(fractions)]

    def _training_cells(self) -> list[int]:
        """Return the amorphous cells that the split, which depends on their origins alone, gives to training."""
        origins = [amorphous_origin(fraction, seed) for fraction, seed in self._amorphous_cells()]
        learning = self.campaign.learning
        sides = split_origins(
            origins, {}, self.campaign.seed, learning.validation_fraction, learning.test_fraction
        )
        return [index for index, origin in enumerate(origins) if sides[origin] == "train"]
