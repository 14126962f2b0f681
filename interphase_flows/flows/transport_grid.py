"""Transport grid: Onsager coefficients of amorphous cells over compositions and temperatures.

A campaign requests it by the key ``transport_grid``; docs/transport_grid.md shows how to run it without a campaign.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from jobflow import Flow, Job, Maker, OnMissing

from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.transport_grid import TransportGridSpec
from interphase_flows.jobs.cell_transport import CellTransportMaker
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.structures.amorphous import PackingMaker
from interphase_flows.jobs.transport_grid import GridFitMaker
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import Walker
from interphase_flows.schemas.transport import CellTransportDoc

CELL_SEED = 1_000_000
"""First seed of the cells, above those of all other packings of a campaign."""
RUN_SEED = 10_000_000
"""Seed increment per kelvin for the runs of a cell at different temperatures."""


@dataclass
class TransportGridMaker(Maker):
    """Pack, melt and quench cells; run each at several temperatures; fit and interpolate.

    Parameters
    ----------
    spec, electrode, electrolyte, structure_files
        Replace the settings of the Makers of the steps.
    temperature_K
        Temperature of the interphase (of production), at which matrices are evaluated.
    packing_maker, segment_maker, cell_transport_maker, fit_maker
        The steps.
    """

    spec: TransportGridSpec = field(default_factory=TransportGridSpec)
    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    seed: int = 1
    structure_files: dict[str, str] = field(default_factory=dict)
    packing_maker: PackingMaker = field(default_factory=PackingMaker)
    segment_maker: SegmentMaker = field(default_factory=lambda: SegmentMaker(stops_when_uncertain=False))
    cell_transport_maker: CellTransportMaker = field(default_factory=CellTransportMaker)
    fit_maker: GridFitMaker = field(default_factory=GridFitMaker)
    name: str = "transport grid"

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign, with the default grid if it requests none."""
        return cls(
            spec=campaign.transport_grid or TransportGridSpec(),
            electrode=campaign.electrode,
            electrolyte=campaign.electrolyte,
            temperature_K=campaign.production.dynamics.temperature_K,
            seed=campaign.seed,
            structure_files=campaign.structure_files,
        )

    def make(self, committee: CommitteeDoc, interphase: InterfaceAnalysisDoc | None = None) -> Flow:
        """Return a flow whose output is the document of the transport grid.

        Coefficients are evaluated at the composition profile of the analysis ``interphase``, if there is one.
        """
        jobs: list[Job] = []
        cells: list[CellTransportDoc] = []
        for x_electrode in self.spec.electrode_fractions:
            for number in range(self.spec.n_per_fraction):
                made, measured = self._cell(x_electrode, number, committee)
                jobs += made
                cells += measured
        fit = replace(self.fit_maker, **self._sides(), temperature_K=self.temperature_K).make(cells, interphase)
        jobs.append(fit)
        for each in jobs:
            # the grid continues without a broken cell or failed packing, whose reason is recorded
            each.config.on_missing_references = OnMissing.NONE
        return Flow(jobs, output=fit.output, name=self.name)

    def _cell(
        self, x_electrode: float, number: int, committee: CommitteeDoc
    ) -> tuple[list[Job], list[CellTransportDoc]]:
        """Return the jobs of a cell, and its analysis at each temperature."""
        spec = self.spec
        cell = f"grid-x{x_electrode:.3f}-{number}"
        seed = self.seed + CELL_SEED + 100 * round(10_000 * x_electrode) + number
        packing_maker = replace(self.packing_maker, n_atoms=spec.n_atoms, structure_files=self.structure_files)
        packing = packing_maker.make(self.electrode, self.electrolyte, x_electrode, seed)
        packing.name = f"packing {cell}"
        walker = Walker(run_id=cell, role="transport", seed=seed, index=0)
        melt = self._segment(spec.melt_temperature_K, spec.melt_steps, spec.melt_friction_per_ps).make(
            packing.output, committee, walker
        )
        quenching = self._segment(spec.quench_temperature_K, spec.quench_steps, spec.melt_friction_per_ps)
        # a quench starts at the temperature of its melt
        hotter = spec.melt_temperature_K / spec.quench_temperature_K
        quenching = replace(quenching, runaway_temperature_factor=quenching.runaway_temperature_factor * hotter)
        quench = quenching.make(melt.output, committee, walker)
        melt.name, quench.name = f"melt {cell}", f"quench {cell}"
        jobs, measured = [packing, melt, quench], []
        for temperature_K in spec.temperatures_K:
            made, transport = self._run(cell, seed, x_electrode, temperature_K, committee, melt, quench)
            jobs += made
            measured.append(transport)
        return jobs, measured

    def _run(
        self,
        cell: str,
        seed: int,
        x_electrode: float,
        temperature_K: float,
        committee: CommitteeDoc,
        melt: Job,
        quench: Job,
    ) -> tuple[list[Job], CellTransportDoc]:
        """Return the jobs of a cell at one temperature (equilibration, segments, analysis), and the analysis."""
        spec = self.spec
        run_id = f"{cell}-{temperature_K:g}K"
        walker = Walker(run_id=run_id, role="transport", seed=seed + RUN_SEED * round(temperature_K), index=0)
        equilibration = replace(
            self._segment(temperature_K, spec.equilibration_steps, spec.friction_per_ps), is_new_run=True
        ).make(quench.output, committee, walker)
        equilibration.name = f"equilibrate {run_id}"
        maker = self._segment(temperature_K, spec.steps_per_segment, spec.friction_per_ps)
        jobs, previous, segments = [equilibration], equilibration.output, []
        for index in range(spec.n_segments):
            segment = maker.make(previous, committee, walker)
            segment.name = f"run {run_id} segment {index}"
            previous = segment.output
            jobs.append(segment)
            segments.append(segment.output)
        transport = replace(self.cell_transport_maker, **self._sides()).make(
            run_id,
            cell,
            x_electrode,
            spec.n_atoms,
            temperature_K,
            [melt.output, quench.output, equilibration.output],
            segments,
            committee,
        )
        transport.name = f"transport {run_id}"
        jobs.append(transport)
        return jobs, transport.output

    def _segment(self, temperature_K: float, n_steps: int, friction_per_ps: float) -> SegmentMaker:
        spec = self.spec
        return replace(
            self.segment_maker,
            dynamics=DynamicsSpec(
                temperature_K=temperature_K, timestep_fs=spec.timestep_fs, friction_per_ps=friction_per_ps
            ),
            n_steps=n_steps,
            frame_interval_steps=spec.frame_interval_steps,
            uncertainty_interval_steps=spec.uncertainty_interval_steps,
            checkpoint_interval_steps=spec.checkpoint_interval_steps,
        )

    def _sides(self) -> dict[str, Any]:
        names = ("electrode", "electrolyte", "structure_files")
        return {name: getattr(self, name) for name in names}
