"""Records of results that could not be computed."""

from datetime import datetime

from pydantic import BaseModel, JsonValue


class FailureDoc(BaseModel):
    """A failed computation; a repetition of the same failure raises `tries`."""

    key: str
    campaign: str
    created_at: datetime
    """Time of the first failure."""
    last_at: datetime
    failed_kind: str
    """Kind of the missing result; ``jobs`` for a job that failed before its content key was known."""
    failed_key: str
    reason: str
    """Identifier for queries, such as ``max_force``."""
    details: dict[str, JsonValue]
    """Numbers and messages, such as ``explanation``."""
    tries: int
