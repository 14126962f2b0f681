"""The page and table that compare campaigns."""

from dataclasses import replace

import numpy as np
import pytest

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.campaign.schema import Campaign
from interphase_flows.report.figures.comparison import comparison_figure
from interphase_flows.report.figures.style import rendered
from interphase_flows.report.inputs.comparison import ComparedCampaign, compared_results, differing_keys
from interphase_flows.report.inputs.interphase import SeriesBand
from interphase_flows.report.sections.comparison import write_comparison


def campaign(name, inputs, thickness_angstrom=None, headline=(), **keys):
    specification = Campaign(name=name, **keys).model_dump(mode="json")
    thickness = {}
    if thickness_angstrom is not None:
        time_ps = np.linspace(0, 10, 5)
        values = np.linspace(0, thickness_angstrom, 5)[:, None]
        thickness = {"above": SeriesBand(time_ps, ["above"], Estimate.symmetric(values, 0.5 * np.ones((5, 1))), 3)}
    return ComparedCampaign(name, specification, replace(inputs, thickness=thickness), headline)


@pytest.fixture
def pair(full_inputs, bare_inputs):
    changed = {"seed": 7, "learning": {"max_labels": 150}, "reference": "gpaw"}
    return [
        campaign("first", full_inputs, 12.0, [("Force error", "96 meV/Å")]),
        campaign("second", bare_inputs, None, [], **changed),
    ]


def test_only_keys_that_differ_are_listed_and_a_key_of_one_campaign_has_a_dash(pair):
    rows = {row.name: list(row.values) for row in differing_keys(pair)}
    assert rows["seed"] == ["1", "7"]
    assert rows["learning.max_labels"] == ["2000", "150"]
    assert rows["reference.method"] == ["chgnet", "gpaw"]
    assert rows["reference.cutoff_eV"] == ["–", "350.0"]
    assert not {"name", "description"} & rows.keys()
    assert "electrode" not in rows
    assert differing_keys([pair[0], pair[0]]) == []


def test_results_have_one_value_for_each_campaign(pair):
    groups = dict(compared_results(pair))
    assert all(len(row.values) == 2 for rows in groups.values() for row in rows)
    found = {row.name: list(row.values) for rows in groups.values() for row in rows}
    assert found["Campaign"] == ["budget exhausted", "running"]
    assert found["Force error"] == ["96 meV/Å", "–"]
    assert found["Labels rejected"] == ["5", "–"]
    assert found["Wall time of jobs, all stages"] == ["14 min", "–"]


def test_page_has_all_rows_and_escapes_names(pair, tmp_path):
    hostile = replace(pair[1], name="<script>alert(1)</script>")
    page = write_comparison([pair[0], hostile], tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "learning.max_labels" in page
    assert "data:image/svg+xml;base64," in page
    assert (tmp_path / "figures" / "comparison.csv").is_file()


def test_legend_names_campaigns_by_any_path(pair):
    names = ["_runs/first", r"$RUNS/$\second"]
    figure = comparison_figure([replace(pair[0], name=name) for name in names])
    rendered(figure, "comparison", "")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


def test_campaigns_without_any_result_are_compared_without_a_figure(bare_inputs, tmp_path):
    both = [campaign(name, bare_inputs) for name in ("first", "second")]
    page = write_comparison(both, tmp_path).read_text(encoding="utf-8")
    assert "<img" not in page
    assert "All keys have the same values." in page
