"""The example campaign with GPAW and its stored numbers."""

import json
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def kept():
    return json.loads((DOCS / "data" / "gpaw_campaign.json").read_text(encoding="utf-8"))


def test_page_is_up_to_date(kept):
    """If this fails, run docs/generate_gpaw_campaign_page.py."""
    generator = runpy.run_path(str(DOCS / "generate_gpaw_campaign_page.py"))
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"](kept)


def test_campaign_has_first_principles_labels_and_an_active_learning_iteration(kept):
    assert not kept["is_surrogate"]
    assert kept["reference"].startswith("GPAW")
    assert len(kept["iterations"]) >= 2
    explored = next(each for each in kept["families"] if each["family"] == "explore")
    assert explored["n_accepted"] >= 1


def test_page_warns_of_gamma_only_sampling_below_a_hundred_atoms(kept):
    page = (DOCS / "gpaw_campaign.md").read_text(encoding="utf-8")
    assert ("Do not reuse" in page) == (int(kept["settings"]["gamma_above_atoms"]) < 100)
