"""The flow of a campaign: initial data, active learning, production and analyses."""

from dataclasses import dataclass
from typing import Any

from jobflow import Flow, Maker, OnMissing

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.flows.transport_grid import TransportGridMaker
from interphase_flows.jobs.campaign_result import conclude
from interphase_flows.jobs.growth import GrowthMaker
from interphase_flows.jobs.interphase import InterphaseMaker
from interphase_flows.jobs.learning_curves import LearningCurveMaker
from interphase_flows.jobs.phases import PhaseReferencesMaker, PhasesMaker
from interphase_flows.jobs.production_audit import DrawProductionMaker, ProductionAuditMaker
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker

AUDIT_SEED = 700
REFERENCES_SEED = 900


@dataclass
class CampaignMaker(Maker):
    """Measure the interphase of an electrode and an electrolyte.

    Parameters
    ----------
    campaign
        Contents of a campaign file.
    """

    campaign: Campaign
    name: str = "campaign"

    def make(self) -> Flow:
        """Return the flow; its output is a CampaignResult."""
        spec = self.campaign
        initial = InitialDataMaker(spec).make()
        starts = initial.output["starts"]
        learning = ActiveLearningMaker(spec).make(initial.output["batch"], starts, initial.output["walkers"])
        learned = learning.output
        production = ProductionMaker(spec).make(starts, learned["committee"])
        relaxer = RelaxMaker(
            reference=spec.reference,
            spec=spec.thermodynamics,
            gates=spec.gates,
            structure_files=spec.structure_files,
        )
        relaxations = []
        for name in dict.fromkeys([*spec.phases, *spec.hull_phases]):
            relaxation = relaxer.make(name)
            relaxation.name = f"relax {name}"
            relaxations.append(relaxation)
        reaction = ReactionMaker(
            energy_error_meV_per_atom=spec.thermodynamics.energy_error_meV_per_atom
        ).make(spec.electrode, spec.electrolyte, [r.output for r in relaxations])
        curve = LearningCurveMaker().make(learned["dataset"], learned["iterations"])
        interphase = InterphaseMaker(
            spec=spec.analysis, electrolyte=spec.electrolyte, structure_files=spec.structure_files
        ).make(production.output)
        sides: dict[str, Any] = {
            "electrode": spec.electrode,
            "electrolyte": spec.electrolyte,
            "temperature_K": spec.production.dynamics.temperature_K,
            "structure_files": spec.structure_files,
        }
        growth = GrowthMaker(**sides).make(production.output)
        references = PhaseReferencesMaker(**sides).make(
            spec.phases, learned["committee"], spec.seed + REFERENCES_SEED
        )
        phases = PhasesMaker(**sides).make(production.output, references.output)
        grid = (
            None
            if spec.transport_grid is None
            else TransportGridMaker(
                spec=spec.transport_grid,
                electrode=spec.electrode,
                electrolyte=spec.electrolyte,
                temperature_K=spec.production.dynamics.temperature_K,
                seed=spec.seed,
                structure_files=spec.structure_files,
            ).make(learned["committee"], interphase.output)
        )
        drawn = DrawProductionMaker(
            n_per_replica=spec.production.audit_labels_per_replica, gates=spec.gates
        ).make(production.output, spec.seed + AUDIT_SEED)
        audit_labels = ActiveLearningMaker(spec).label_set_maker().make(drawn.output)
        audit = ProductionAuditMaker().make(learned["committee"], audit_labels.output)
        audit_labels.name = "production labels"
        conclusion = conclude(
            spec.name,
            learned["committee"],
            learned["dataset"],
            learned["iterations"],
            learned["exploration"],
            production.output,
            starts,
            reaction.output,
            curve.output,
            interphase.output,
            audit.output,
            growth.output,
            None if grid is None else grid.output,
            phases.output,
        )
        for tolerant in (reaction, interphase, growth, phases, conclusion):
            tolerant.config.on_missing_references = OnMissing.NONE
        return Flow(
            [
                initial,
                *relaxations,
                reaction,
                learning,
                production,
                curve,
                interphase,
                growth,
                *([] if grid is None else [grid]),
                references,
                phases,
                drawn,
                audit_labels,
                audit,
                conclusion,
            ],
            output=conclusion.output,
            name=spec.name,
        )
