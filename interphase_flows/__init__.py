"""Workflows that simulate and measure the interphase between an electrode and a solid electrolyte.

The public names below are imported when they are first used (PEP 562). Importing this package loads neither torch nor
jobflow nor pymatgen, so that the command line starts fast.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("interphase-flows")

_MODULES = {
    # campaigns and their results
    "Campaign": "campaign.schema",
    "CampaignResults": "results",
    "Settings": "settings",
    "load_settings": "settings",
    "open_workspace": "storage.workspace",
    "run_campaign": "runners.local.campaign",
    "use_workspace": "storage.workspace",
    # Makers of flows
    "ActiveLearningMaker": "flows.active_learning",
    "CampaignMaker": "flows.campaign",
    "ExplorationMaker": "flows.exploration",
    "InitialDataMaker": "flows.initial_data",
    "ProductionMaker": "flows.production",
    "RefinementMaker": "flows.refinement",
    "TransportGridMaker": "flows.transport_grid",
    # Makers of jobs
    "AmorphousMaker": "jobs.structures.amorphous",
    "CommitteeMaker": "jobs.committee",
    "CompileMaker": "jobs.compile",
    "CrystalsMaker": "jobs.structures.crystals",
    "CutoutMaker": "jobs.cutouts",
    "DatasetMaker": "jobs.datasets",
    "ImportDatasetMaker": "jobs.import_dataset",
    "InterfaceAnalysisMaker": "jobs.interface_analysis",
    "InterfaceMaker": "jobs.structures.interfaces",
    "IterationMaker": "jobs.iterations",
    "LabelMaker": "jobs.labels",
    "LabelSetMaker": "jobs.labels",
    "PackingMaker": "jobs.structures.amorphous",
    "ProductionAuditMaker": "jobs.production_audit",
    "SegmentMaker": "jobs.dynamics.segments",
    "SelectMaker": "jobs.selection",
    "TrainMaker": "jobs.train",
    # settings of Makers
    "CalculatorSpec": "reference.spec",
    "ChgnetSpec": "reference.spec",
    "CommitteeSpec": "potentials.spec",
    "DynamicsSpec": "campaign.exploration",
    "GpawSpec": "reference.spec",
    "LearningSpec": "campaign.schema",
    "NequIPSpec": "potentials.spec",
    "TrainingSpec": "potentials.spec",
    "VaspSpec": "reference.spec",
    "Walker": "schemas.segment",
    # analysis of trajectories
    "InterfaceAnalysisSettings": "analysis.pipeline.settings",
    "analyse_interface": "analysis.pipeline.interface_analysis",
    "composition_of": "analysis.pipeline.settings",
    "load_parts": "jobs.interface_parts",
    "open_trajectory": "analysis.io.open",
}
"""Module of each public name."""

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
