"""What a document keeps of a file: its hash and size, never a path of a machine."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ArtifactRef"]


class ArtifactRef(BaseModel):
    """A content-addressed file.

    Attributes
    ----------
    kind
        What it is, in a word: ``models``, ``trajectories``, ``datasets``.
    sha256
        Hash of its bytes, 64 hexadecimal digits; also its name.
    size_bytes
        Its size.
    suffix
        Extension with the dot, such as ``.zarr.zip``; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)
    suffix: str = Field(default="", pattern=r"^(\.[A-Za-z0-9_-]+)*$")
