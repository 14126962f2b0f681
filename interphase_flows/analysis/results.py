"""Results of the analysis: base class, and the record of why a part of it is unavailable."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.exceptions import AnalysisError

T = TypeVar("T")

HINT = ". Hint: "
"""Between the reason and the hint in a message."""


class Result(BaseModel):
    """Base class of the results that documents store: frozen, unknown fields raise, units in the names of fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Unavailable(Result):
    """Record that the data support no result for one part of the analysis, with the reason and a hint."""

    reason: str
    hint: str = ""

    @classmethod
    def from_error(cls, error: AnalysisError) -> "Unavailable":
        """Return the message of an error, with its hint apart."""
        reason, _, hint = str(error).partition(HINT)
        return cls(reason=reason, hint=hint)

    def __str__(self) -> str:
        return f"{self.reason}{HINT}{self.hint}" if self.hint else self.reason


def without_hint(message: object) -> str:
    """Return a message without its hint, as a part of another message."""
    return str(message).partition(HINT)[0]


def or_unavailable(frames: ProgressFrames, compute: Callable[[], T]) -> T | Unavailable:
    """Run one analysis step; return why it is unavailable instead of raising.

    Raises
    ------
    AnalysisError
        A frame cannot be read, so the results of all parts would be unreliable.
    """
    try:
        return compute()
    except AnalysisError as error:
        if frames.damage is not None:
            raise
        return Unavailable.from_error(error)
