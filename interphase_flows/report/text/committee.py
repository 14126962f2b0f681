"""Text on the spread of a committee."""

from interphase_flows.schemas.model import Calibration

MAX_ERROR_PER_STD = 10.0
"""Ratio of error and standard deviation above which members are too similar: 2 to 6 with different initial weights, above
100 from one file."""


def spread_note(calibration: Calibration, starts_from_one_file: bool) -> str | None:
    """Return a warning about a committee whose members hardly differ, None about other ones."""
    if calibration.error_per_std <= MAX_ERROR_PER_STD:
        return None
    note = (
        f"The largest force error of held-out frames is {calibration.error_per_std:.0f} times the largest standard "
        "deviation over the committee (median). Its members hardly differ, so uncertainties and the thresholds derived "
        "from them mean little."
    )
    if starts_from_one_file:
        note += (
            " The members started from one file and differ by the order of their batches alone. Hint: name one "
            "file for each member, or start from a pre-training (committee.pretraining), whose members have different "
            "weights."
        )
    return note
