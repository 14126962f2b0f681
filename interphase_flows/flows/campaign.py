"""The flow of a campaign: initial data, active learning, production and analyses."""

from dataclasses import dataclass
from typing import Any

from jobflow import Flow, Maker, OnMissing

from interphase_flows.campaign.anion_chemistry import stated_chemistry
from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.flows.transport_grid import TransportGridMaker
from interphase_flows.jobs.campaign_result import conclude
from interphase_flows.jobs.committee import LearningCurveMaker
from interphase_flows.jobs.interface_analysis import InterfaceAnalysisMaker
from interphase_flows.jobs.phase_references import PhaseReferencesMaker
from interphase_flows.jobs.production_audit import DrawProductionMaker, ProductionAuditMaker
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker

AUDIT_SEED = 700
REFERENCES_SEED = 900


@dataclass
class CampaignMaker(Maker):
    """Measure the interphase of an electrode and an electrolyte, by the contents of a campaign file."""

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
        reaction = ReactionMaker(energy_error_meV_per_atom=spec.thermodynamics.energy_error_meV_per_atom).make(
            spec.electrode, spec.electrolyte, [r.output for r in relaxations]
        )
        curve = LearningCurveMaker().make(learned["dataset"], learned["iterations"])
        sides: dict[str, Any] = {
            "electrode": spec.electrode,
            "electrolyte": spec.electrolyte,
            "temperature_K": spec.production.dynamics.temperature_K,
            "structure_files": spec.structure_files,
        }
        references = PhaseReferencesMaker(**sides).make(spec.phases, learned["committee"], spec.seed + REFERENCES_SEED)
        interface = InterfaceAnalysisMaker(**sides, parts=spec.analysis.parts, anions=stated_chemistry(spec)).make(
            production.output, references.output
        )
        grid = (
            None
            if spec.transport_grid is None
            else TransportGridMaker(**sides, spec=spec.transport_grid, seed=spec.seed).make(
                learned["committee"], interface.output
            )
        )
        drawn = DrawProductionMaker(n_per_replica=spec.production.audit_labels_per_replica, gates=spec.gates).make(
            production.output, spec.seed + AUDIT_SEED
        )
        audit_labels = ActiveLearningMaker(spec).label_set_maker().make(drawn.output)
        audit = ProductionAuditMaker().make(learned["committee"], audit_labels.output)
        audit_labels.name = "production labels"
        analyses = {
            "thermodynamics": reaction.output,
            "learning_curve": curve.output,
            "interface_analysis": interface.output,
            "production_audit": audit.output,
        }
        if grid is not None:
            analyses["transport_grid"] = grid.output
        conclusion = conclude(
            spec.name,
            learned["iterations"],
            learned["exploration"],
            production.output,
            starts,
            analyses,
        )
        for tolerant in (reaction, interface, conclusion):
            tolerant.config.on_missing_references = OnMissing.NONE
        return Flow(
            [
                initial,
                *relaxations,
                reaction,
                learning,
                production,
                curve,
                references,
                interface,
                *([] if grid is None else [grid]),
                drawn,
                audit_labels,
                audit,
                conclusion,
            ],
            output=conclusion.output,
            name=spec.name,
        )
