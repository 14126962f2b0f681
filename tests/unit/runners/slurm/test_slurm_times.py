"""Times in Slurm's format."""

import pytest

from interphase_flows.runtime.walltime import seconds_left


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:59\n", 119),
        ("0:00", 0),
        ("1:00:00", 3600),
        ("2-03:04:05", 183845),
        ("UNLIMITED", None),
        ("", None),
    ],
)
def test_remaining_time_is_parsed(text, seconds):
    assert seconds_left(text) == seconds
