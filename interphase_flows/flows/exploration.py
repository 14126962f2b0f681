"""Exploration: advance every walker by one segment with the current committee."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from ase import Atoms
from jobflow import Flow, Maker, OnMissing

from interphase_flows.campaign.exploration import ExplorationSpec, MeltQuenchSpec
from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.dynamics.walkers import advance_walkers
from interphase_flows.jobs.structures.amorphous import PackingMaker
from interphase_flows.md.schedule import next_leg, total_steps
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import MeltQuenchWalker, SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc

if TYPE_CHECKING:
    from pymatgen.core import Structure

PACKING_SEED = 100_000
"""First seed of packings that walkers melt; no initial amorphous cell has such a seed, so that no frame of these runs
belongs to a held-out cell."""
SEEDS_PER_WALKER = 10_000


def _segment_maker(spec: ExplorationSpec) -> SegmentMaker:
    return SegmentMaker(
        dynamics=spec.dynamics,
        n_steps=spec.steps_per_iteration,
        frame_interval_steps=spec.frame_interval_steps,
        uncertainty_interval_steps=spec.uncertainty_interval_steps,
        checkpoint_interval_steps=spec.checkpoint_interval_steps,
        runaway_temperature_factor=spec.runaway_temperature_factor,
        min_distance_fraction=spec.min_distance_fraction,
    )


@dataclass
class ExplorationMaker(Maker):
    """Advance every walker by one segment; melt-quench walkers follow their temperature schedule.

    Parameters
    ----------
    segment_maker
        Segment of a walker; that of a melt-quench walker has temperature, friction and length of its schedule.
    packing_maker
        Packing of ``electrode`` and ``electrolyte`` that a melt-quench walker starts from.
    melt_quench, n_melt_quench_walkers
        Compositions and schedule of the melt-quench walkers, and their number.
    seed
        Seed of the packings.
    """

    name: str = "exploration"
    segment_maker: SegmentMaker = field(default_factory=lambda: _segment_maker(ExplorationSpec()))
    packing_maker: PackingMaker = field(default_factory=PackingMaker)
    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    melt_quench: MeltQuenchSpec = field(default_factory=MeltQuenchSpec)
    n_melt_quench_walkers: int = 0
    seed: int = 1

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        spec = campaign.exploration
        return cls(
            segment_maker=_segment_maker(spec),
            packing_maker=PackingMaker(n_atoms=spec.melt_quench.n_atoms, structure_files=campaign.structure_files),
            electrode=campaign.electrode,
            electrolyte=campaign.electrolyte,
            melt_quench=spec.melt_quench,
            n_melt_quench_walkers=spec.n_melt_quench_walkers,
            seed=campaign.seed,
        )

    def make(
        self,
        walkers: Sequence[Walker],
        starts: "StructureSetDoc | Atoms | Structure",
        committee: CommitteeDoc,
        index: int = 0,
    ) -> Flow:
        """Return a flow whose output is one segment per walker, in the order of the walkers.

        ``starts`` are the initial structures of the walkers, by their index, and ``index`` is the number of the
        iteration, for names of jobs.
        """
        packings, segments = [], []
        for walker in walkers:
            if isinstance(walker, MeltQuenchWalker):
                packing = self.packing_maker.make(
                    self.electrode,
                    self.electrolyte,
                    walker.x_electrode,
                    self.packing_seed(walker.number, walker.packing),
                )
                packing.name = f"packing {walker.run_id}, iteration {index}"
                packings.append(packing)
                segment = self._on_schedule(walker).make(packing.output, committee, walker)
                # without a packing the job must fail; a workflow engine would wait forever
                segment.config.on_missing_references = OnMissing.NONE
            else:
                segment = self.segment_maker.make(starts, committee, walker)
            segment.name = f"explore {walker.run_id}, iteration {index}"
            segments.append(segment)
        return Flow(
            [*packings, *segments], output=[each.output for each in segments], name=f"{self.name}, iteration {index}"
        )

    def after(self, walkers: Sequence[Walker], segments: Sequence[SegmentDoc | None]) -> list[Walker]:
        """Return the walkers at the end of the segments of an iteration.

        A walker takes another packing once its melt and quench are finished, or if it has no checkpoint.
        """
        return [
            self.melt_quench_walker(walker.number, walker.packing + 1, walker.n_restarts)
            if isinstance(walker, MeltQuenchWalker) and self._is_finished(walker)
            else walker
            for walker in advance_walkers(walkers, segments)
        ]

    def melt_quench_walkers(self) -> list[Walker]:
        """Return the melt-quench walkers of the first iteration; they need no initial structure."""
        return [self.melt_quench_walker(number) for number in range(self.n_melt_quench_walkers)]

    def melt_quench_walker(self, number: int, packing: int = 0, n_restarts: int = 0) -> MeltQuenchWalker:
        """Return a walker at the start of a packing; packings cycle through the compositions."""
        fractions = self.melt_quench.electrode_fractions
        turn = number + packing * self.n_melt_quench_walkers
        return MeltQuenchWalker(
            run_id=f"melt-quench-{number}-{packing}",
            role="explore",
            seed=self.packing_seed(number, packing),
            index=0,
            n_restarts=n_restarts,
            number=number,
            packing=packing,
            x_electrode=fractions[turn % len(fractions)],
        )

    def packing_seed(self, number: int, packing: int) -> int:
        """Return the seed of a packing; every packing of every walker has a different seed."""
        return self.seed + PACKING_SEED + SEEDS_PER_WALKER * number + packing

    def _on_schedule(self, walker: MeltQuenchWalker) -> SegmentMaker:
        """Return a maker with temperature and length of the next leg of the schedule.

        A quench starts as hot as its melt, so the runaway limit follows the hottest bath so far.
        """
        maker, spec = self.segment_maker, self.melt_quench
        leg = next_leg(spec.stages, walker.last_step, maker.n_steps)
        return replace(
            maker,
            dynamics=maker.dynamics.model_copy(
                update={
                    "temperature_K": leg.temperature_K,
                    "friction_per_ps": spec.friction_per_ps,
                    "ramp_to_temperature_K": None,
                }
            ),
            n_steps=leg.n_steps,
            runaway_temperature_factor=maker.runaway_temperature_factor * leg.hottest_K / leg.temperature_K,
        )

    def _is_finished(self, walker: MeltQuenchWalker) -> bool:
        return walker.continue_from is None or walker.last_step >= total_steps(self.melt_quench.stages)
