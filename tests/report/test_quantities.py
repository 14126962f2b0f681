"""Formatting of numbers."""

import math

import pytest

from interphase_flows.report.text.numbers import duration, rounded, with_error


@pytest.mark.parametrize(
    ("value", "error", "n", "expected"),
    [
        (0.41234, 0.0123, 3, "0.412 ± 0.012 eV (n = 3 replicas)"),
        (-33.1608, 1.2, 4, "−33.2 ± 1.2 eV (n = 4 replicas)"),
        (123.4, 45.6, 3, "123 ± 46 eV (n = 3 replicas)"),
        (0.41234, None, 1, "0.412 eV (n = 1, no interval)"),
        (0.41234, math.nan, 3, "0.412 eV (n = 3, no interval)"),
        (92.0, 0.0, 3, "92.0 ± 0 eV (n = 3 replicas)"),
        (None, None, 1, "–"),
    ],
)
def test_value_is_rounded_to_two_digits_of_its_error(value, error, n, expected):
    assert with_error(value, error, n, "eV") == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (1234.5, "1,234"), (0.012345, "0.0123"), (-2.5, "−2.50"), (None, "–")]
)
def test_value_without_error_has_three_digits(value, expected):
    assert rounded(value) == expected


def test_durations_are_formatted_in_seconds_minutes_or_hours():
    assert [duration(s) for s in (42, 355, 9000)] == ["42 s", "6 min", "2.5 h"]
