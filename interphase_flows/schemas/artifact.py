"""References from documents to content-addressed files."""

from pydantic import BaseModel, ConfigDict, Field


class ArtifactRef(BaseModel):
    """A content-addressed file, identified by its hash; paths differ between machines and are not stored.

    ``kind`` is such as ``models`` or ``trajectories``; ``sha256`` is also the file name, with ``suffix`` (such as
    ``.zarr.zip``, or empty).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)
    suffix: str = Field(default="", pattern=r"^(\.[A-Za-z0-9_-]+)*$")
