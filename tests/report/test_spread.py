"""The warning about committees whose members hardly differ."""

import pytest

from interphase_flows.report.text.committee import spread_note
from interphase_flows.schemas.model import Calibration


def calibration(error_per_std: float) -> Calibration:
    return Calibration(n_frames=9, rank_correlation=0.5, error_per_std=error_per_std, coverage_of_twice_expected=0.9)


@pytest.mark.parametrize("starts_from_one_file", [False, True])
def test_members_that_hardly_differ_give_a_warning(starts_from_one_file):
    assert spread_note(calibration(6.0), starts_from_one_file) is None
    note = spread_note(calibration(31.0), starts_from_one_file)
    assert "is 31 times the largest standard deviation" in note
    assert ("started from one file" in note) == starts_from_one_file
