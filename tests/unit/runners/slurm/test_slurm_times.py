"""Times as Slurm writes them."""

import pytest

from interphase_flows.runtime.walltime import seconds_left


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1:59\n", 119),
        ("0:00", 0),
        ("1:00:00", 3600),
        ("2-03:04:05", 183845),
        ("UNLIMITED", None),
        ("", None),
    ],
)
def test_time_left_is_read(told, seconds):
    """Minutes, hours and days; what is no time is no limit."""
    assert seconds_left(told) == seconds
