"""Results of analyses."""

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document


class AnalysisDoc(Document):
    """An answer: numbers inline when few, arrays in the artifact."""

    name: str
    rests_on: list[str]
    values: dict[str, object]
    artifact: ArtifactRef | None = None
