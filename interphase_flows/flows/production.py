"""Production: long runs of interface replicas with the final committee."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobflow import Flow, Maker

from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.segments import SegmentMaker
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc

REPLICA_SEED = 500


@dataclass
class ProductionMaker(Maker):
    """Run replicas with different velocity seeds, each as a chain of restartable segments."""

    campaign: Campaign
    name: str = "production"

    def make(self, starts: StructureSetDoc, committee: CommitteeDoc) -> Flow:
        """Return a flow whose output is the list of all segments, replica by replica."""
        spec = self.campaign.production
        maker = SegmentMaker(
            dynamics=spec.dynamics,
            n_steps=spec.steps_per_segment,
            frame_interval_steps=spec.frame_interval_steps,
            uncertainty_interval_steps=spec.uncertainty_interval_steps,
            checkpoint_interval_steps=spec.checkpoint_interval_steps,
            stops_when_uncertain=False,
            equilibration_fs=spec.equilibration_fs,
        )
        jobs = []
        for walker in self.replicas():
            start: StructureSetDoc | SegmentDoc = starts
            for index in range(spec.n_segments):
                segment = maker.make(start, committee, walker)
                segment.name = f"production {walker.run_id} segment {index}"
                start = segment.output
                jobs.append(segment)
        return Flow(jobs, output=[j.output for j in jobs], name=self.name)

    def replicas(self) -> Sequence[Walker]:
        """Return the replicas. They start from the first interface and differ only in their velocity seed."""
        return [
            Walker(
                run_id=f"replica-{index}",
                role="production",
                seed=self.campaign.seed + REPLICA_SEED + index,
                index=0,
            )
            for index in range(self.campaign.production.n_replicas)
        ]
