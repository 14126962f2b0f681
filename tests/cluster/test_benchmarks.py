"""Benchmarks of campaigns on a cluster."""

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
    """Run a benchmark on the tests' server and return its results."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), *arguments, "--keep", str(keep)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {URI_VARIABLE: uri, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(keep.read_text()) | {"output": done.stdout}


def test_overhead_in_round_trips_is_within_its_target(tmp_path, mongo_uri):
    """Unlike times, round trips do not depend on the load of the machine."""
    kept = run("fireworks_overhead.py", tmp_path / "kept.json", mongo_uri, "--quick")
    assert 0.5 < kept["jobs"]["ours_over"]["jobflow on FireWorks"]["round_trips"] <= 1.3
    assert kept["submission"]["ours_over"]["round_trips"] <= 2.0
    assert "ours over jobflow on FireWorks" in kept["output"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, mongo_uri: str) -> dict:
    keep = tmp_path_factory.mktemp("replay") / "kept.json"
    return run("campaign_replay.py", keep, mongo_uri, *REPLAY, "--sizes", "3", "30")


class TestReplay:
    def test_runs_all_labels_in_jobs_of_the_requested_size(self, kept):
        """Twelve initial labels, then one iteration with 48."""
        campaign = kept["campaign"]
        assert (campaign["n_labels"], campaign["n_first_labels"]) == (60, 12)
        counts = {kind: each["n"] for kind, each in campaign["launches"].items()}
        assert counts["label structures"] == 1 + math.ceil(48 / 15)
        assert (counts["iteration"], counts["continue_or_end"], counts["train committee member"]) == (2, 2, 8)
        assert counts["production replica segment"] == 3
        assert campaign["n_jobs"] == sum(counts.values())

    def test_shares_of_the_workers_time_add_up_to_one(self, kept):
        campaign = kept["campaign"]
        assert campaign["share_at_work"] + campaign["share_idle"] + campaign["share_overhead"] == pytest.approx(1.0)
        assert 0.0 < campaign["share_at_work"] < 1.0
        assert sum(part["n_jobs"] for part in campaign["parts"]) <= campaign["n_jobs"]

    def test_counts_the_documents_of_ledger_and_fireworks(self, kept):
        sizes = kept["campaign"]["database"]
        assert sizes["interphase_labels"]["documents"] == 60
        assert sizes["fireworks: fireworks"]["documents"] == kept["campaign"]["n_jobs"]
        assert sizes["fireworks: workflows"]["documents"] == 1

    def test_measures_the_growth_of_the_workflow_document(self, kept):
        small, large = kept["bend"]
        assert (small["n_nodes"], large["n_nodes"]) == (3, 30)
        assert large["workflow_bytes"] > 3 * small["workflow_bytes"]
