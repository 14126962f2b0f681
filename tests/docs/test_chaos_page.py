"""The fault-tolerance page and the stored results of fault injection."""

import json
import runpy
from pathlib import Path

import pytest

from chaos_faults import FAULTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def kept():
    return json.loads((DOCS / "data" / "chaos.json").read_text(encoding="utf-8"))


def test_page_is_up_to_date(kept):
    """If this fails, run docs/generate_chaos_page.py."""
    generator = runpy.run_path(str(DOCS / "generate_chaos_page.py"))
    assert set(generator["WHAT"]) == set(FAULTS)
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"](kept)


def test_fifty_faults_of_every_kind_lose_or_duplicate_nothing(kept):
    assert kept["n_faults"] >= 50
    assert set(kept["faults"]) == set(FAULTS)
    assert kept["n_unharmed"] == kept["n_campaigns"]
    assert kept["n_labels_lost"] == kept["n_labels_unexpected"] == kept["n_jobs_stuck"] == 0
