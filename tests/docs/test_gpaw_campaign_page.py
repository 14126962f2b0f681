"""The page on a campaign with GPAW is what its script writes from the numbers that were kept."""

import json
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def kept():
    return json.loads((DOCS / "data" / "gpaw_campaign.json").read_text(encoding="utf-8"))


def test_the_page_is_what_the_script_writes(kept):
    """docs/gpaw_campaign.md; else run docs/generate_gpaw_campaign_page.py."""
    generator = runpy.run_path(str(DOCS / "generate_gpaw_campaign_page.py"))
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"](kept)


def test_its_labels_are_first_principles_and_its_loop_turned(kept):
    """At least one iteration of active learning, from labels that no surrogate made."""
    assert not kept["is_surrogate"]
    assert kept["reference"].startswith("GPAW")
    assert len(kept["iterations"]) >= 2
    explored = next(each for each in kept["families"] if each["family"] == "explore")
    assert explored["n_accepted"] >= 1


def test_a_sampling_that_is_too_poor_is_named_on_the_page(kept):
    """Gamma alone for cells below a hundred atoms is no advice to anybody."""
    page = (DOCS / "gpaw_campaign.md").read_text(encoding="utf-8")
    assert ("Not to be reused" in page) == (int(kept["settings"]["gamma_above_atoms"]) < 100)
