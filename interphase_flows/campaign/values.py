"""Types of values in a campaign file: ranges of numbers, and blocks that reject unknown keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_VALUES = 100
"""Most values of a list."""
MOST_ATOMS = 100_000
Positive = Annotated[float, Field(ge=1e-9, le=1e9)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Temperature = Annotated[float, Field(ge=0.1, le=5000.0)]
TimestepFs = Annotated[float, Field(ge=0.01, le=5.0)]
Count = Annotated[int, Field(ge=1, le=1000)]
CountOrNone = Annotated[int, Field(ge=0, le=1000)]
LabelCount = Annotated[int, Field(ge=1, le=1_000_000)]
StepCount = Annotated[int, Field(ge=1, le=1_000_000_000)]
StepCountOrNone = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Spec(BaseModel):
    """A block of a campaign file: frozen, without unknown keys and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


MAX_EVALUATIONS = 30_000
"""Uncertainty evaluations: the document of a segment stores step and value of each, and is limited to 1 MB."""


def check_evaluation_interval(steps_name: str, n_steps: int, uncertainty_interval_steps: int) -> None:
    """Check that the uncertainty evaluations of a segment fit into its document.

    Raises
    ------
    ValueError
        The interval is too short; the message gives the shortest valid one.
    """
    if n_steps / uncertainty_interval_steps > MAX_EVALUATIONS:
        raise ValueError(
            f"uncertainty_interval_steps ({uncertainty_interval_steps}): at most {MAX_EVALUATIONS} evaluations "
            f"fit into the document of a segment; with {steps_name} = {n_steps}, use an interval of at least "
            f"{-(-n_steps // MAX_EVALUATIONS)} steps or shorter segments"
        )
