"""The scaling page and the stored results of the benchmarks."""

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


def test_page_is_up_to_date(generator, kept):
    """If this fails, run docs/generate_scaling_page.py."""
    written = generator["page"](kept["campaign_replay"], kept["workflow_sizes"], kept["fireworks_overhead"])
    assert generator["PAGE"].read_text(encoding="utf-8") == written


def test_overhead_of_a_job_and_of_a_submission_is_within_its_goal(kept):
    """Compare with jobflow on FireWorks, and with FireWorks' add_wf alone."""
    overhead = kept["fireworks_overhead"]
    assert overhead["jobs"]["ours_over"]["jobflow on FireWorks"]["wall"] <= 1.3
    assert overhead["submission"]["ours_over"]["wall"] <= 2.0


def test_replayed_campaign_has_thousands_of_labels_and_many_iterations(kept):
    campaign = kept["campaign_replay"]["campaign"]
    assert campaign["n_labels"] >= 9_900
    assert campaign["launches"]["continue_or_end"]["n"] > 10
    shares = [campaign[f"share_{name}"] for name in ("at_work", "idle", "overhead")]
    assert sum(shares) == pytest.approx(1.0)


def test_job_cost_grows_with_workflow_size_and_documents_stay_below_the_limit(kept):
    assert all(
        one["cpu_server_s"] < other["cpu_server_s"] and one["workflow_bytes"] < other["workflow_bytes"]
        for one, other in pairwise(kept["workflow_sizes"]["bend"])
    )
    sizes = kept["campaign_replay"]["campaign"]["database"].values()
    assert max(each["largest"] for each in sizes) < 16 * 1024**2


def test_recorded_label_durations_equal_those_of_the_gpaw_campaign():
    """Compare by family with docs/data/gpaw_campaign.json."""
    recorded = json.loads((ROOT / "benchmarks" / "recorded_times.json").read_text(encoding="utf-8"))
    campaign = json.loads((DOCS / "data" / "gpaw_campaign.json").read_text(encoding="utf-8"))
    families = {each["family"].split()[0]: each for each in campaign["families"]}
    assert len(recorded["labels"]) >= 5
    for name, label in recorded["labels"].items():
        assert label["median_s"] == pytest.approx(families[name]["median_s"], abs=0.1), name
        assert label["n"] == families[name]["n_accepted"], name
