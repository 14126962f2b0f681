"""The page on scaling is what its script writes from the numbers that the benchmarks kept."""

import json
import runpy
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(DOCS / "generate_scaling_page.py"))


@pytest.fixture(scope="module")
def kept(generator):
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in generator["DATA"].items()}


def test_the_page_is_what_the_script_writes(generator, kept):
    """docs/scaling.md; else run docs/generate_scaling_page.py."""
    written = generator["page"](kept["campaign_replay"], kept["workflow_sizes"], kept["fireworks_overhead"])
    assert generator["PAGE"].read_text(encoding="utf-8") == written


def test_our_share_of_a_job_and_of_a_submission_is_within_its_goal(kept):
    """As measured against jobflow on FireWorks, and FireWorks' add_wf alone."""
    overhead = kept["fireworks_overhead"]
    assert overhead["jobs"]["ours_over"]["jobflow on FireWorks"]["wall"] <= 1.3
    assert overhead["submission"]["ours_over"]["wall"] <= 2.0


def test_the_campaign_that_was_replayed_is_a_large_one(kept):
    """Thousands of labels, in a loop that turned."""
    told = kept["campaign_replay"]["campaign"]
    assert told["n_labels"] >= 9_900
    assert told["launches"]["continue_or_end"]["n"] > 10
    assert told["share_at_work"] + told["share_idle"] + told["share_overhead"] == pytest.approx(1.0)


def test_a_job_is_dearer_in_a_larger_workflow_and_no_document_is_too_large(kept):
    """What the advice rests on."""
    assert all(
        one["cpu_server_s"] < other["cpu_server_s"] and one["workflow_bytes"] < other["workflow_bytes"]
        for one, other in pairwise(kept["workflow_sizes"]["bend"])
    )
    sizes = kept["campaign_replay"]["campaign"]["database"].values()
    assert max(each["largest"] for each in sizes) < 16 * 1024**2


def test_recorded_durations_of_labels_are_those_of_the_campaign_that_they_say_they_are_of():
    """By family, from docs/data/gpaw_campaign.json."""
    recorded = json.loads((ROOT / "benchmarks" / "recorded_times.json").read_text(encoding="utf-8"))
    campaign = json.loads((DOCS / "data" / "gpaw_campaign.json").read_text(encoding="utf-8"))
    families = {each["family"].split()[0]: each for each in campaign["families"]}
    assert len(recorded["labels"]) >= 5
    for name, label in recorded["labels"].items():
        assert label["median_s"] == pytest.approx(families[name]["median_s"], abs=0.1), name
        assert label["n"] == families[name]["n_accepted"], name
