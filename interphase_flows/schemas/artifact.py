"""References from documents to content-addressed files."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from interphase_flows.content_keys import IS_CONTENT_KEY


class ArtifactRef(BaseModel):
    """A content-addressed file, identified by its hash; paths differ between machines and are not stored.

    ``kind`` is such as ``models`` or ``trajectories``; ``sha256`` is also the file name, with ``suffix`` (such as
    ``.zarr.zip``, or empty). ``path`` is where a job without a campaign stored the file; it is not part of the identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)
    suffix: str = Field(default="", pattern=r"^(\.[A-Za-z0-9_-]+)*$")
    path: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArtifactRef) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return self.kind, self.sha256, self.size_bytes, self.suffix

    @model_serializer(mode="wrap")
    def _without_unset_path(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        if self.path is None or (info.context or {}).get(IS_CONTENT_KEY):
            del fields["path"]
        return fields
