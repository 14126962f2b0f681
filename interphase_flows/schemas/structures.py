"""Sets of structures."""

from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.origin import Origin


class StructureEntry(BaseModel):
    """One structure of a set; its origin determines its split."""

    model_config = ConfigDict(extra="forbid")

    key: str
    origin: Origin
    formula: str
    n_atoms: int


class StructureSetDoc(Document):
    """An ordered set of structures, stored in one artifact."""

    name: str
    artifact: ArtifactRef
    entries: list[StructureEntry]
    # positions of the entries in the artifact; None: all of it, in order
    subset: list[int] | None = None
    details: dict[str, dict[str, float | int | str]] = Field(default_factory=dict)
    wall_time_s: float = 0.0
