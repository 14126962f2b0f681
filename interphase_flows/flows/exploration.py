"""Walkers of an iteration: each advances by one segment with the committee at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobflow import Flow, Job, Maker, OnMissing

from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.amorphous import PackingMaker
from interphase_flows.jobs.segments import SegmentMaker, advanced
from interphase_flows.md.schedule import next_leg, total_steps
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import MeltQuenchWalker, SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc

PACKING_SEED = 100_000
"""First seed of packings that walkers melt. No amorphous cell that a campaign begins with has such a seed: what trains
here is no sibling of a cell that is held out."""
SEEDS_PER_WALKER = 10_000


def packing_seed(campaign: Campaign, number: int, packing: int) -> int:
    """Return the seed of a packing; each of each walker has its own."""
    return campaign.seed + PACKING_SEED + SEEDS_PER_WALKER * number + packing


def melt_quench_walker(
    campaign: Campaign, number: int, packing: int = 0, n_restarts: int = 0
) -> MeltQuenchWalker:
    """Return a walker before a packing; those of all walkers take the compositions in turn."""
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
    """Advance every walker by one segment; those that melt and quench follow their schedule.

    Parameters
    ----------
    campaign
        Dynamics, schedule, spacings.
    """

    campaign: Campaign
    name: str = "exploration"

    def make(
        self, walkers: Sequence[Walker], starts: StructureSetDoc, committee: CommitteeDoc, index: int
    ) -> Flow:
        """Return a flow whose output is a segment per walker, in their order."""
        segment_maker = self._segment_maker()
        packings, segments = [], []
        for walker in walkers:
            if isinstance(walker, MeltQuenchWalker):
                packing = self._packing(walker)
                packing.name = f"packing {walker.run_id} ({index})"
                packings.append(packing)
                segment = self._on_schedule(segment_maker, walker).make(walker, packing.output, committee)
                # without a packing it fails, rather than wait for ever in a workflow engine
                segment.config.on_missing_references = OnMissing.NONE
            else:
                segment = segment_maker.make(walker, starts, committee)
            segment.name = f"explore {walker.run_id} ({index})"
            segments.append(segment)
        return Flow(
            [*packings, *segments], output=[each.output for each in segments], name=f"{self.name} ({index})"
        )

    def after(self, walkers: Sequence[Walker], segments: Sequence[SegmentDoc | None]) -> list[Walker]:
        """Return walkers where the segments of an iteration left them.

        A walker whose melt and quench are done takes another packing, and so does one whose packing or first
        segment left nothing to go on from.
        """
        return [
            melt_quench_walker(self.campaign, walker.number, walker.packing + 1, walker.n_restarts)
            if isinstance(walker, MeltQuenchWalker) and self._is_over(walker)
            else walker
            for walker in advanced(walkers, segments)
        ]

    def _segment_maker(self) -> SegmentMaker:
        spec = self.campaign.exploration
        return SegmentMaker(
            dynamics=spec.dynamics,
            n_steps=spec.steps_per_iteration,
            frame_interval_steps=spec.frame_interval_steps,
            watch_interval_steps=spec.watch_interval_steps,
            checkpoint_interval_steps=spec.checkpoint_interval_steps,
            runaway_temperature_factor=spec.runaway_temperature_factor,
            min_distance_fraction=spec.min_distance_fraction,
        )

    def _on_schedule(self, maker: SegmentMaker, walker: MeltQuenchWalker) -> SegmentMaker:
        """Return a maker with the temperature and the length of what comes next of a walker's schedule.

        A quench begins as hot as its melt: what counts as running away is judged by the hottest bath so far.
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
        return PackingMaker(
            n_atoms=spec.exploration.melt_quench.n_atoms, structure_files=spec.structure_files
        ).make(
            spec.electrode,
            spec.electrolyte,
            walker.x_electrode,
            packing_seed(spec, walker.number, walker.packing),
        )

    def _is_over(self, walker: MeltQuenchWalker) -> bool:
        stages = self.campaign.exploration.melt_quench.stages
        return walker.continue_from is None or walker.last_step >= total_steps(stages)
