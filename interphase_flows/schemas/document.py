"""Base class of stored documents."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """Base class of every stored document. Unknown fields raise, so that a schema cannot drift."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    # fields whose artifacts nothing is computed from: a document is as good without them
    for_the_record: ClassVar[frozenset[str]] = frozenset()

    key: str
    notes: list[str] = Field(default_factory=list)
