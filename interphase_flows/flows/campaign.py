"""The flow of a campaign: initial data, active learning, production and analyses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from jobflow import Flow, Job, Maker, OnMissing

from interphase_flows.campaign.anion_chemistry import stated_chemistry
from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.flows.refinement import RefinementMaker
from interphase_flows.flows.transport_grid import TransportGridMaker
from interphase_flows.jobs.campaign_result import conclude
from interphase_flows.jobs.committee import LearningCurveMaker
from interphase_flows.jobs.equations_of_state import EquationsOfStateCheckMaker
from interphase_flows.jobs.interface_analysis import InterfaceAnalysisMaker
from interphase_flows.jobs.phase_references import PhaseReferencesMaker
from interphase_flows.jobs.production_audit import DrawProductionMaker, ProductionAuditMaker
from interphase_flows.jobs.structures.production_cells import ProductionCellsMaker
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker

AUDIT_SEED = 700
REFERENCES_SEED = 900


def _production_cells_maker(campaign: Campaign) -> ProductionCellsMaker | None:
    spec = campaign.production.interface
    if spec is None:
        return None
    return ProductionCellsMaker(
        spec=spec, labelled=campaign.structures.interfaces, structure_files=campaign.structure_files
    )


@dataclass
class CampaignMaker(Maker):
    """Measure the interphase of an electrode and an electrolyte.

    `from_campaign` fills all fields from a campaign file. Replace a step by assigning another Maker, such as a subclass:
    ``maker.active_learning_maker.train_maker = MyTrainMaker()``. Makers of later steps hold electrode, electrolyte,
    temperature and structure files themselves, and the labels of initial data and of the loop have separate Makers.

    Parameters
    ----------
    electrode, electrolyte
        Names of phases.
    phases, hull_phases
        Phases of the structures and the convex hull, and those of the hull only.
    relax_maker, reaction_maker
        Energies of the phases, and the predicted reaction.
    learning_curve_maker, references_maker, analysis_maker
        Learning curve of the loop; runs of known phases; analysis of production, with these references.
    equations_of_state_maker
        Compares bulk phases at several volumes with their labels, if the initial data contain them.
    production_cells_maker
        Builds the cells of production; with None, it runs in those of the loop.
    refinement_maker, n_refinements
        Trains the committee on cells cut out of production, so many times before the final production.
    transport_grid_maker
        Transport in amorphous cells; None leaves it out.
    draw_maker, audit_maker
        Draw frames of production, which the loop's Maker labels, and the error of the committee on them.
    """

    name: str = "campaign"
    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    phases: Sequence[str] = field(default_factory=lambda: list(Campaign.model_fields["phases"].default))
    hull_phases: Sequence[str] = field(default_factory=lambda: list(Campaign.model_fields["hull_phases"].default))
    seed: int = 1
    initial_data_maker: InitialDataMaker = field(default_factory=InitialDataMaker)
    active_learning_maker: ActiveLearningMaker = field(default_factory=ActiveLearningMaker)
    production_cells_maker: ProductionCellsMaker | None = None
    refinement_maker: RefinementMaker = field(default_factory=RefinementMaker)
    n_refinements: int = 0
    production_maker: ProductionMaker = field(default_factory=ProductionMaker)
    relax_maker: RelaxMaker = field(default_factory=RelaxMaker)
    reaction_maker: ReactionMaker = field(default_factory=ReactionMaker)
    learning_curve_maker: LearningCurveMaker = field(default_factory=LearningCurveMaker)
    equations_of_state_maker: EquationsOfStateCheckMaker = field(default_factory=EquationsOfStateCheckMaker)
    references_maker: PhaseReferencesMaker = field(default_factory=PhaseReferencesMaker)
    analysis_maker: InterfaceAnalysisMaker = field(default_factory=InterfaceAnalysisMaker)
    transport_grid_maker: TransportGridMaker | None = None
    draw_maker: DrawProductionMaker = field(default_factory=DrawProductionMaker)
    audit_maker: ProductionAuditMaker = field(default_factory=ProductionAuditMaker)

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        spec, gates, files = campaign.thermodynamics, campaign.gates, campaign.structure_files
        sides: dict[str, Any] = {
            "electrode": campaign.electrode,
            "electrolyte": campaign.electrolyte,
            "temperature_K": campaign.production.dynamics.temperature_K,
            "structure_files": files,
        }
        # the cells of the loop are small enough to label entire frames
        cutouts = campaign.production.cutouts if campaign.production.interface else None
        return cls(
            name=campaign.name,
            electrode=campaign.electrode,
            electrolyte=campaign.electrolyte,
            phases=campaign.phases,
            hull_phases=campaign.hull_phases,
            seed=campaign.seed,
            initial_data_maker=InitialDataMaker.from_campaign(campaign),
            active_learning_maker=ActiveLearningMaker.from_campaign(campaign),
            production_cells_maker=_production_cells_maker(campaign),
            refinement_maker=RefinementMaker.from_campaign(campaign),
            n_refinements=campaign.production.refine_iterations,
            production_maker=ProductionMaker.from_campaign(campaign),
            relax_maker=RelaxMaker(reference=campaign.reference, spec=spec, gates=gates, structure_files=files),
            reaction_maker=ReactionMaker(energy_error_meV_per_atom=spec.energy_error_meV_per_atom),
            references_maker=PhaseReferencesMaker(**sides, steps=campaign.analysis.phase_references),
            analysis_maker=InterfaceAnalysisMaker(
                **sides, parts=campaign.analysis.parts, anions=stated_chemistry(campaign)
            ),
            transport_grid_maker=TransportGridMaker.from_campaign(campaign) if campaign.transport_grid else None,
            draw_maker=DrawProductionMaker(
                n_per_replica=campaign.production.audit_labels_per_replica, gates=gates, cutouts=cutouts
            ),
            audit_maker=ProductionAuditMaker(core_angstrom=cutouts.core_angstrom if cutouts else None),
        )

    def make(self) -> Flow:
        """Return the flow; its output is a CampaignResult."""
        melt_quench_walkers = self.active_learning_maker.exploration_maker.melt_quench_walkers()
        initial = self.initial_data_maker.make(self.electrode, self.electrolyte, self.phases, melt_quench_walkers)
        starts = initial.output["starts"]
        learning = self.active_learning_maker.make(
            initial.output["batch"], starts, initial.output["walkers"], self.phases, initial.output["structures"]
        )
        learned = learning.output
        cells = []
        if self.production_cells_maker is not None:
            cells = [self.production_cells_maker.make(self.electrode, self.electrolyte)]
            starts = cells[0].output
        refinements = []
        for number in range(self.n_refinements):
            refinements.append(self.refinement_maker.make(starts, learned, number))
            learned = refinements[-1].output
        production = self.production_maker.make(starts, learned["committee"])
        relaxations = self._relaxations()
        reaction = self.reaction_maker.make(self.electrode, self.electrolyte, [r.output for r in relaxations])
        curve = self.learning_curve_maker.make(learned["dataset"], learned["iterations"])
        bulk = []
        if self.initial_data_maker.equations_of_state_maker is not None:
            bulk = [self.equations_of_state_maker.make(learned["dataset"], learned["committee"])]
        references = self.references_maker.make(self.phases, learned["committee"], self.seed + REFERENCES_SEED)
        interface = self.analysis_maker.make(production.output, references.output)
        drawn = self.draw_maker.make(production.output, self.seed + AUDIT_SEED, learned["committee"])
        audit_labels = self.active_learning_maker.label_set_maker.make(drawn.output)
        audit = self.audit_maker.make(learned["committee"], audit_labels.output)
        audit_labels.name = "production labels"
        grids = []
        if self.transport_grid_maker is not None:
            grids = [self.transport_grid_maker.make(learned["committee"], interface.output)]
        analyses = {
            "thermodynamics": reaction.output,
            "learning_curve": curve.output,
            "interface_analysis": interface.output,
            "production_audit": audit.output,
        }
        if bulk:
            analyses["equations_of_state"] = bulk[0].output
        if grids:
            analyses["transport_grid"] = grids[0].output
        conclusion = conclude(
            self.name, learned["iterations"], learned["exploration"], production.output, starts, analyses
        )
        for tolerant in (reaction, interface, conclusion):
            tolerant.config.on_missing_references = OnMissing.NONE
        analysing = [curve, *bulk, references, interface, *grids, drawn, audit_labels, audit]
        return Flow(
            [initial, *cells, *relaxations, reaction, learning, *refinements, production, *analysing, conclusion],
            output=conclusion.output,
            name=self.name,
        )

    def _relaxations(self) -> list[Job]:
        """Return a job for every phase of the convex hull."""
        jobs = []
        for phase in dict.fromkeys([*self.phases, *self.hull_phases]):
            jobs.append(self.relax_maker.make(phase))
            jobs[-1].name = f"relax {phase}"
        return jobs
