"""Exploration: advance every walker by one segment with the current committee."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobflow import Flow, Job, Maker, OnMissing

from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.segments import SegmentMaker, advance_walkers
from interphase_flows.jobs.structures.amorphous import PackingMaker
from interphase_flows.md.schedule import next_leg, total_steps
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import MeltQuenchWalker, SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc

PACKING_SEED = 100_000
"""First seed of packings that walkers melt; no initial amorphous cell has such a seed, so that no frame of these runs
belongs to a held-out cell."""
SEEDS_PER_WALKER = 10_000


def packing_seed(campaign: Campaign, number: int, packing: int) -> int:
    """Return the seed of a packing; every packing of every walker has a different seed."""
    return campaign.seed + PACKING_SEED + SEEDS_PER_WALKER * number + packing


def melt_quench_walker(campaign: Campaign, number: int, packing: int = 0, n_restarts: int = 0) -> MeltQuenchWalker:
    """Return a walker at the start of a packing; packings cycle through the compositions."""
    spec = campaign.exploration
    fractions = spec.melt_quench.electrode_fractions
    turn = number + packing * spec.n_melt_quench_walkers
    return MeltQuenchWalker(
        run_id=f"melt-quench-{number}-{packing}",
        role="explore",
        seed=packing_seed(campaign, number, packing),
        index=0,
        n_restarts=n_restarts,
        number=number,
        packing=packing,
        x_electrode=fractions[turn % len(fractions)],
    )


@dataclass
class ExplorationMaker(Maker):
    """Advance every walker by one segment; melt-quench walkers follow their temperature schedule."""

    campaign: Campaign
    name: str = "exploration"

    def make(self, walkers: Sequence[Walker], starts: StructureSetDoc, committee: CommitteeDoc, index: int) -> Flow:
        """Return a flow whose output is one segment per walker, in the order of the walkers."""
        segment_maker = self._segment_maker()
        packings, segments = [], []
        for walker in walkers:
            if isinstance(walker, MeltQuenchWalker):
                packing = self._packing(walker)
                packing.name = f"packing {walker.run_id} ({index})"
                packings.append(packing)
                segment = self._on_schedule(segment_maker, walker).make(packing.output, committee, walker)
                # without a packing the job must fail; a workflow engine would wait forever
                segment.config.on_missing_references = OnMissing.NONE
            else:
                segment = segment_maker.make(starts, committee, walker)
            segment.name = f"explore {walker.run_id} ({index})"
            segments.append(segment)
        return Flow([*packings, *segments], output=[each.output for each in segments], name=f"{self.name} ({index})")

    def after(self, walkers: Sequence[Walker], segments: Sequence[SegmentDoc | None]) -> list[Walker]:
        """Return the walkers at the end of the segments of an iteration.

        A walker takes another packing once its melt and quench are finished, or if it has no checkpoint.
        """
        return [
            melt_quench_walker(self.campaign, walker.number, walker.packing + 1, walker.n_restarts)
            if isinstance(walker, MeltQuenchWalker) and self._is_finished(walker)
            else walker
            for walker in advance_walkers(walkers, segments)
        ]

    def _segment_maker(self) -> SegmentMaker:
        spec = self.campaign.exploration
        return SegmentMaker(
            dynamics=spec.dynamics,
            n_steps=spec.steps_per_iteration,
            frame_interval_steps=spec.frame_interval_steps,
            uncertainty_interval_steps=spec.uncertainty_interval_steps,
            checkpoint_interval_steps=spec.checkpoint_interval_steps,
            runaway_temperature_factor=spec.runaway_temperature_factor,
            min_distance_fraction=spec.min_distance_fraction,
        )

    def _on_schedule(self, maker: SegmentMaker, walker: MeltQuenchWalker) -> SegmentMaker:
        """Return a maker with temperature and length of the next leg of the schedule.

        A quench starts as hot as its melt, so the runaway limit follows the hottest bath so far.
        """
        spec = self.campaign.exploration.melt_quench
        leg = next_leg(spec.stages, walker.last_step, maker.n_steps)
        return replace(
            maker,
            dynamics=maker.dynamics.model_copy(
                update={"temperature_K": leg.temperature_K, "friction_per_ps": spec.friction_per_ps}
            ),
            n_steps=leg.n_steps,
            runaway_temperature_factor=maker.runaway_temperature_factor * leg.hottest_K / leg.temperature_K,
        )

    def _packing(self, walker: MeltQuenchWalker) -> Job:
        spec = self.campaign
        return PackingMaker(n_atoms=spec.exploration.melt_quench.n_atoms, structure_files=spec.structure_files).make(
            spec.electrode,
            spec.electrolyte,
            walker.x_electrode,
            packing_seed(spec, walker.number, walker.packing),
        )

    def _is_finished(self, walker: MeltQuenchWalker) -> bool:
        stages = self.campaign.exploration.melt_quench.stages
        return walker.continue_from is None or walker.last_step >= total_steps(stages)
