"""Kinds of documents: names, schemas, and fields that queries abbreviate.

A new kind of document is a schema in a file of this package and a line in `DOCUMENT_KINDS`. Each part of the interface
analysis is a separate kind.
"""

from pkgutil import resolve_name

from interphase_flows.analysis.pipeline.registered_parts import part_classes
from interphase_flows.schemas.document import Document

_HERE = "interphase_flows.schemas"
DOCUMENT_KINDS: dict[str, str] = {
    "structure_sets": f"{_HERE}.structures:StructureSetDoc",
    "labels": f"{_HERE}.label:LabelDoc",
    "datasets": f"{_HERE}.dataset:DatasetDoc",
    "models": f"{_HERE}.model:ModelDoc",
    "committees": f"{_HERE}.model:CommitteeDoc",
    "compiled_potentials": f"{_HERE}.compiled_potential:CompiledPotentialDoc",
    "segments": f"{_HERE}.segment:SegmentDoc",
    "iterations": f"{_HERE}.iteration:IterationDoc",
    "learning_curves": f"{_HERE}.potential_errors:LearningCurveDoc",
    "equations_of_state": f"{_HERE}.equations_of_state:EquationsOfStateDoc",
    "production_audits": f"{_HERE}.potential_errors:ProductionAuditDoc",
    "relaxed_phases": f"{_HERE}.thermodynamics:RelaxedPhaseDoc",
    "thermodynamics": f"{_HERE}.thermodynamics:ThermodynamicsDoc",
    "convergence_studies": f"{_HERE}.convergence:ConvergenceStudyDoc",
    "lattice_constants": f"{_HERE}.lattice_constants:LatticeConstantsDoc",
    "phase_references": f"{_HERE}.analysis:PhaseReferencesDoc",
    "interface_analyses": f"{_HERE}.analysis:InterfaceAnalysisDoc",
    "cell_transport": f"{_HERE}.transport:CellTransportDoc",
    "transport_grids": f"{_HERE}.transport:TransportGridDoc",
}
ABBREVIATED = {"phases": "average.phases"}
"""By kind: where fields are that the document itself does not have, so that ``li2s.atom_fraction.value`` is found."""


def document_kinds() -> tuple[str, ...]:
    """Return the kinds of documents that results are stored as."""
    return (*DOCUMENT_KINDS, *part_classes())


def document_schema(kind: str) -> type[Document]:
    """Return the schema of a kind; its module is imported only now.

    Raises
    ------
    KeyError
        The kind has no schema.
    """
    if kind in DOCUMENT_KINDS:
        schema: type[Document] = resolve_name(DOCUMENT_KINDS[kind])
        return schema
    from interphase_flows.schemas.analysis import part_document  # imports the analysis

    return part_document(kind)
