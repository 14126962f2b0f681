"""What values in a campaign file may be: numbers with their ranges, and blocks that know their keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0.0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Temperature = Annotated[float, Field(gt=0.0, le=5000.0)]
TimestepFs = Annotated[float, Field(gt=0.0, le=5.0)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]


class Spec(BaseModel):
    """A block: frozen, and a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


MOST_WATCHES = 30_000
"""Of one segment: the document of a segment holds the step and the uncertainty of each, and must stay below 1 MB."""


def check_watches(steps_name: str, n_steps: int, watch_interval_steps: int) -> None:
    """Refuse a segment whose document would be too large.

    Raises
    ------
    ValueError
        Says which interval would do.
    """
    if n_steps / watch_interval_steps > MOST_WATCHES:
        raise ValueError(
            f"watch_interval_steps ({watch_interval_steps}): at most {MOST_WATCHES} watches fit into the document of a "
            f"segment; with {steps_name} = {n_steps}, watch every {-(-n_steps // MOST_WATCHES)} steps or more, or make "
            "shorter segments"
        )
