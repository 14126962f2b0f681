"""The benchmarks of campaigns on a cluster run, and tell what they say they tell."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mongo_server import URI_VARIABLE

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
REPLAY = (
    "--labels",
    "60",
    "--labels-per-job",
    "15",
    "--iterations",
    "1",
    "--walkers",
    "1",
    "--segments",
    "1",
)


def run(name: str, keep: Path, uri: str, *arguments: str) -> dict:
    """Run a benchmark on the tests' server and return what it kept."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), *arguments, "--keep", str(keep)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {URI_VARIABLE: uri, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(keep.read_text()) | {"printed": done.stdout}


def test_a_job_of_ours_asks_the_database_hardly_more_than_one_of_fireworks(tmp_path, mongo_uri):
    """Round trips do not depend on how busy the machine is; within the goal for the time."""
    kept = run("fireworks_overhead.py", tmp_path / "kept.json", mongo_uri, "--quick")
    assert 0.5 < kept["jobs"]["ours_over"]["jobflow on FireWorks"]["round_trips"] <= 1.3
    assert kept["submission"]["ours_over"]["round_trips"] <= 2.0
    assert "ours over jobflow on FireWorks" in kept["printed"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, mongo_uri: str) -> dict:
    keep = tmp_path_factory.mktemp("replay") / "kept.json"
    return run("campaign_replay.py", keep, mongo_uri, *REPLAY, "--sizes", "3", "30")


class TestASmallReplay:
    def test_labels_all_of_it_in_jobs_of_the_size_asked_for(self, kept):
        """Twelve first labels, then one iteration of 48: each made by the loop itself."""
        told = kept["campaign"]
        assert (told["n_labels"], told["n_first_labels"]) == (60, 12)
        counts = {kind: each["n"] for kind, each in told["launches"].items()}
        assert counts["label structures"] == 1 + math.ceil(48 / 15)
        assert (counts["iteration"], counts["continue_or_end"], counts["train committee member"]) == (2, 2, 8)
        assert counts["production replica segment"] == 3
        assert told["n_jobs"] == sum(counts.values())

    def test_tells_where_the_time_of_its_workers_went(self, kept):
        """Shares of one whole, and some of it stood for work."""
        told = kept["campaign"]
        assert told["share_at_work"] + told["share_idle"] + told["share_overhead"] == pytest.approx(1.0)
        assert 0.0 < told["share_at_work"] < 1.0
        assert sum(part["n_jobs"] for part in told["parts"]) <= told["n_jobs"]

    def test_counts_the_documents_that_were_left(self, kept):
        """Labels once each, and FireWorks' own beside them."""
        sizes = kept["campaign"]["database"]
        assert sizes["interphase_labels"]["documents"] == 60
        assert sizes["fireworks: fireworks"]["documents"] == kept["campaign"]["n_jobs"]
        assert sizes["fireworks: workflows"]["documents"] == 1

    def test_shows_that_a_workflow_is_one_document_that_grows(self, kept):
        """Which is where it bends."""
        small, large = kept["bend"]
        assert (small["n_nodes"], large["n_nodes"]) == (3, 30)
        assert large["workflow_bytes"] > 3 * small["workflow_bytes"]
