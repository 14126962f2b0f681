"""Numbers of a campaign for its page of the docs."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.inputs.interphase import SeriesBand

DOCS = Path(__file__).parents[2] / "docs"


def test_bars_in_cells_do_not_end_the_cell():
    table = runpy.run_path(str(DOCS / "markdown_table.py"))["table"]
    assert table(["interface", "atoms"], [["Li | Li2S", "3"]])[2] == r"| Li \| Li2S | 3 |"


@pytest.fixture(scope="module")
def at_times():
    return runpy.run_path(str(DOCS / "extract_campaign.py"))["_at_times"]


def band(first_ps: float, last_ps: float) -> SeriesBand:
    """A thickness of 1 Å per ps."""
    time_ps = np.linspace(first_ps, last_ps, round(10 * (last_ps - first_ps)) + 1)
    return SeriesBand(time_ps, ["thickness"], Estimate.unknown(time_ps[:, None]))


def test_last_thickness_is_that_of_the_last_tenth(at_times):
    rows = at_times(band(0.0, 50.0))
    assert [row["time_ps"] for row in rows] == [10.0, 50.0]
    assert [row["value"] for row in rows] == pytest.approx([10.0, 47.5])


def test_times_before_the_first_boundary_have_no_thickness(at_times):
    rows = at_times(band(20.0, 150.0))
    assert [row["time_ps"] for row in rows] == [100.0, 150.0]
