"""Production: long runs of interface replicas with the final committee."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Self

from ase import Atoms
from jobflow import Flow, Maker

from interphase_flows.campaign.production import ProductionSpec
from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.potentials import Potential
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc

if TYPE_CHECKING:
    from pymatgen.core import Structure

REPLICA_SEED = 500


def _segment_maker(spec: ProductionSpec) -> SegmentMaker:
    limits = spec.limits
    if limits is not None and spec.interface is None:
        limits = limits.model_copy(update={"min_anion_bond_fraction": None})
    return SegmentMaker(
        dynamics=spec.dynamics,
        n_steps=spec.steps_per_segment,
        frame_interval_steps=spec.frame_interval_steps,
        uncertainty_interval_steps=spec.uncertainty_interval_steps,
        checkpoint_interval_steps=spec.checkpoint_interval_steps,
        stops_when_uncertain=False,
        relaxation=spec.relaxation,
        limits=limits,
        equilibration_fs=spec.equilibration_fs,
    )


@dataclass
class ProductionMaker(Maker):
    """Run replicas with different velocity seeds, each as a chain of restartable segments.

    Replicas of an interface take the ``temperatures_K`` in turn; without them all have that of ``segment_maker``.
    """

    name: str = "production"
    segment_maker: SegmentMaker = field(default_factory=lambda: _segment_maker(ProductionSpec()))
    n_replicas: int = 3
    n_segments: int = 2
    n_interfaces: int = 1
    temperatures_K: Sequence[float] = field(default_factory=list)
    seed: int = 1

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        spec = campaign.production
        return cls(
            segment_maker=_segment_maker(spec),
            n_replicas=spec.n_replicas,
            n_segments=spec.n_segments,
            n_interfaces=1 if spec.interface is None else spec.interface.n_cells,
            temperatures_K=spec.temperatures_K,
            seed=campaign.seed,
        )

    def make(self, start: "StructureSetDoc | Atoms | Structure", potential: Potential) -> Flow:
        """Return a flow whose output is the list of all segments, replica by replica.

        Replicas start from a structure, or from the first ``n_interfaces`` of a set.
        """
        jobs = []
        for walker in self.replicas():
            previous: StructureSetDoc | Atoms | Structure | SegmentDoc = start
            for index in range(self.n_segments):
                segment = self.segment_maker.make(previous, potential, walker)
                segment.name = f"production {walker.run_id} segment {index}"
                previous = segment.output
                jobs.append(segment)
        return Flow(jobs, output=[j.output for j in jobs], name=self.name)

    def replicas(self) -> Sequence[Walker]:
        """Return the replicas of every interface, which differ in their velocity seed; those of one come together."""
        pairs = product(range(self.n_interfaces), range(self.n_replicas))
        return [
            Walker(
                run_id=f"replica-{replica}" if self.n_interfaces == 1 else f"interface-{interface}-replica-{replica}",
                role="production",
                seed=self.seed + REPLICA_SEED + number,
                index=interface,
                temperature_K=self.temperatures_K[replica % len(self.temperatures_K)] if self.temperatures_K else None,
            )
            for number, (interface, replica) in enumerate(pairs)
        ]
