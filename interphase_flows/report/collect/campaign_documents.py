"""The stored documents of one campaign."""

from typing import Any, TypeVar

import numpy as np

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.campaign.stored import stored_specification
from interphase_flows.costs.history import without_pretraining
from interphase_flows.report.collect.labelling import LabelRecord
from interphase_flows.report.inputs.campaign import ProvenanceRow
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc, PartDoc, part_document
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.schemas.convergence import ConvergenceStudyDoc
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.equations_of_state import EquationsOfStateDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.potential_errors import LearningCurveDoc, ProductionAuditDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.schemas.thermodynamics import ThermodynamicsDoc
from interphase_flows.schemas.transport import TransportGridDoc
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace

D = TypeVar("D", bound=Document)

VARIED = {"cutoff_eV", "k_density_per_inverse_angstrom", "gamma_above_atoms"}
"""Settings that a convergence study varies."""


class Citations:
    """The documents that support the numbers of a report, in the order of their use."""

    def __init__(self) -> None:
        self.rows: list[ProvenanceRow] = []

    def cite(self, subject: str, kind: str, key: str, artifact: str = "", note: str = "") -> None:
        """Add the document that supports a subject."""
        self.rows.append(ProvenanceRow(subject, kind, key, artifact, note))


class CampaignDocuments:
    """Documents of a campaign, None or empty where they do not exist yet.

    Parameters
    ----------
    workspace
        Of the campaign.
    state
        Document of the campaign in the ledger.
    """

    def __init__(self, workspace: Workspace, state: JsonDocument) -> None:
        self.workspace = workspace
        self.ledger = workspace.ledger
        self.state = state
        self.own = workspace.own
        self.spec = stored_specification(state)
        self.result = CampaignResult.model_validate(state["result"]) if "result" in state else None
        self.iterations = self._iterations()
        self.production = self._production()
        self.dataset = (
            self.ledger.get_as("datasets", self.iterations[-1].dataset_key, DatasetDoc) if self.iterations else None
        )
        self.starts = (
            self.ledger.get_as("structure_sets", self.result.starts_key, StructureSetDoc) if self.result else None
        )

    def thermodynamics(self) -> ThermodynamicsDoc | None:
        """Return the predicted thermodynamics, None if it failed or has not run."""
        return self._analysis_of_kind("thermodynamics", "thermodynamics", ThermodynamicsDoc)

    def learning_curve(self) -> LearningCurveDoc | None:
        """Return the learning curve, None if it failed or has not run."""
        return self._analysis_of_kind("learning_curve", "learning_curves", LearningCurveDoc)

    def equations_of_state(self) -> EquationsOfStateDoc | None:
        """Return the check of bulk phases, None if it was not requested, failed or has not run."""
        return self._analysis_of_kind("equations_of_state", "equations_of_state", EquationsOfStateDoc)

    def production_audit(self) -> ProductionAuditDoc | None:
        """Return the audit of production, None if it failed or has not run."""
        return self._analysis_of_kind("production_audit", "production_audits", ProductionAuditDoc)

    def _analysis_of_kind(self, name: str, kind: str, schema: type[D]) -> D | None:
        key = self.result.analysis_keys.get(name) if self.result else None
        return None if key is None else self.ledger.get_as(kind, key, schema)

    def interface_analysis(self) -> InterfaceAnalysisDoc | None:
        """Return the analysis of production, None if it failed or has not run."""
        return self._analysis_of_kind("interface_analysis", "interface_analyses", InterfaceAnalysisDoc)

    def part(self, name: str) -> PartDoc[Any, Any] | None:
        """Return a part of the analysis of production, None if it failed or has not run."""
        return self._analysis_of_kind(name, name, part_document(name))

    def transport_grid(self) -> TransportGridDoc | None:
        """Return the transport grid, None if it was not requested, failed or is not there yet."""
        return self._analysis_of_kind("transport_grid", "transport_grids", TransportGridDoc)

    def convergence(self) -> ConvergenceStudyDoc | None:
        """Return the newest convergence study of the reference method, for any initial setting."""
        method = self.spec.reference.model_dump(mode="json", exclude=VARIED)
        for found in self.ledger.find("convergence_studies", self.own, ["key"], sort={"created_at": -1}):
            study = self.ledger.get_as("convergence_studies", found["key"], ConvergenceStudyDoc)
            if study and {k: v for k, v in study.reference.items() if k not in VARIED} == method:
                return study
        return None

    def labels(self) -> list[LabelRecord]:
        """Return all labels but those of the pre-training, oldest first."""
        fields = list(LabelRecord.model_fields)
        criteria = self.own | without_pretraining(self.spec, self.workspace.settings)
        return [LabelRecord.model_validate(d) for d in self.ledger.find("labels", criteria, fields)]

    def committee(self, key: str) -> CommitteeDoc | None:
        """Return a committee by its key."""
        return self.ledger.get_as("committees", key, CommitteeDoc)

    def arrays(
        self, analysis: InterfaceAnalysisDoc | PartDoc[Any, Any] | TransportGridDoc | None
    ) -> dict[str, np.ndarray]:
        """Return the arrays of a result by name, empty if it has none."""
        if analysis is None or analysis.artifact is None:
            return {}
        with open_npz(self.workspace.artifacts.get(analysis.artifact)) as archive:
            return {name: archive[name] for name in archive.files}

    def _iterations(self) -> list[IterationDoc]:
        if self.result is not None:
            found = [self.ledger.get_as("iterations", key, IterationDoc) for key in self.result.iteration_keys]
            return [doc for doc in found if doc is not None]
        documents = [
            self.ledger.get_as("iterations", d["key"], IterationDoc)
            for d in self.ledger.find("iterations", self.own, ["key"])
        ]
        by_index = {doc.index: doc for doc in documents if doc is not None}  # keeps the newest of each index
        return [by_index[index] for index in sorted(by_index)]

    def _production(self) -> list[SegmentDoc]:
        if self.result is None:
            return []
        found = [self.ledger.get_as("segments", key, SegmentDoc) for key in self.result.production_keys]
        return [doc for doc in found if doc is not None]
