"""A campaign on a real Slurm with FireWorks and MongoDB gives the results of one machine."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger import Ledger
from slurm_cluster import SlurmCluster
from slurm_site import ENDS_WITHIN_S, Site, keys_of, keys_under
from tiny_campaign import command

# a campaign of minutes that is cancelled halfway, possibly on a slow machine
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(2400)]

# workers that learn stop at a checkpoint after 80 s and end within two minutes, long before Slurm would end them; those
# that label run on, since the imports of a new worker take ten seconds of a core
SETTINGS = """
root: {root}
artifacts_url: {root}/shared
store: {{type: mongodb, uri: "{uri}", database: {database}}}
cluster:
  signal_before_end_s: 40
  workers:
    cpu:
      kinds: [dft, analysis]
      walltime: "00:10:00"
      memory_gb: 3
      environment: {{INTERPHASE_WALLTIME_S: "400"}}
      max_in_queue: 1
      jobs_per_allocation: 4
      wait_for_work_s: 40
    learn:
      kinds: [train, md]
      walltime: "00:10:00"
      memory_gb: 3
      environment: {{INTERPHASE_WALLTIME_S: "120"}}
      max_in_queue: 1
      jobs_per_allocation: 4
      wait_for_work_s: 20
"""


@pytest.fixture(scope="module")
def observed() -> dict[str, Any]:
    """Statuses during the run, and the output of the cancellation."""
    return {}


@pytest.fixture(scope="module")
def site(
    slurm: SlurmCluster,
    tiny_file: Path,
    observed: dict[str, Any],
    mongo_uri: str,
    mongo: MongodbSettings,
    database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Submit the campaign on hold, resume it, cancel it halfway, submit it again, and run it to its end.

    Workers are requested every two seconds.
    """
    root = tmp_path_factory.mktemp("site")
    place = Site.with_settings(root, slurm, SETTINGS.format(root=root, uri=mongo_uri, database=database))
    place.command("submit", str(tiny_file), "--hold")
    observed["on hold"] = place.status()
    assert_error(place, "submit", str(tiny_file), message="is already submitted, and on hold since")
    place.command("resume", "tiny")
    assert_error(place, "submit", str(tiny_file), message="is already submitted (")
    assert_error(place, "resume", "tiny", message="not paused")
    cancel_in_the_middle(place, observed, mongo)
    place.command("submit", str(tiny_file))
    place.command("launch", "--every", "2")
    # the worker of the last job writes the report, and waits for further jobs for a while
    slurm.wait_until(
        lambda: len(slurm.idle_nodes()) == len(slurm.nodes),
        ENDS_WITHIN_S,
        "workers of a finished campaign do not end",
    )
    yield place
    client: MongoClient[Any] = MongoClient(mongo_uri)
    client.drop_database(f"{database}_fireworks")
    client.close()


def assert_error(place: Site, *arguments: str, message: str) -> None:
    done = place.command(*arguments, check=False)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def cancel_in_the_middle(place: Site, observed: dict[str, Any], mongo: MongodbSettings) -> None:
    """Cancel the campaign once a model is trained; the command that requests workers then ends by itself."""
    with (place.root / "daemon.txt").open("w") as output:
        daemon = subprocess.Popen(
            command(["launch", "--every", "2"]), env=place.environment(), stdout=output, stderr=output
        )
        try:
            end = time.monotonic() + ENDS_WITHIN_S
            with closing(Ledger.in_mongodb(mongo)) as ledger:
                # a command takes seconds of a core
                while not ledger.count("models"):
                    assert daemon.poll() is None, (place.root / "daemon.txt").read_text()
                    assert time.monotonic() < end, f"no model was trained\n{place.logs()}"
                    time.sleep(0.2)
            # between two jobs the status is submitted, until a worker takes the next one
            while (status := place.status())["status"] != "running":
                assert daemon.poll() is None, (place.root / "daemon.txt").read_text()
                assert time.monotonic() < end, f"nothing runs: {status}\n{place.logs()}"
                time.sleep(0.2)
            observed["running"] = status
            observed["cancel"] = place.command("cancel", "tiny").stdout
            assert daemon.wait(ENDS_WITHIN_S) == 0
        finally:
            daemon.kill()
            daemon.wait()
    observed["cancelled"] = place.status()


class TestCampaignOnSlurm:
    def test_status_is_finished_with_all_jobs_done(self, site: Site) -> None:
        status = site.status()
        assert status["status"] == "finished", f"{status}\n{site.logs()}"
        jobs = status["cluster"]["jobs"]
        for kind, row in jobs.items():
            assert row["done"] > 0, kind
            assert row["waiting"] == row["ready"] == row["running"] == row["failed"] == 0, kind
        assert "finished" in site.command("status", "tiny").stdout

    def test_keys_equal_those_of_one_machine(self, site: Site, finished_root: Path, mongo: MongodbSettings) -> None:
        of_one_machine = keys_under(finished_root)
        assert all(of_one_machine.values())
        with closing(Ledger.in_mongodb(mongo)) as ledger:
            assert keys_of(ledger) == of_one_machine
            assert ledger.count("failures") == 0

    def test_workers_end_before_their_walltime(self, site: Site, observed: dict[str, Any]) -> None:
        """Only cancelled allocations do not end by themselves."""
        ended = [job for job in site.slurm.completed() if job["Name"].startswith("if-")]
        cancelled = [job for job in ended if job["JobState"] == "CANCELLED"]
        assert len(ended) >= 2
        assert {job["JobState"] for job in ended} <= {"COMPLETED", "CANCELLED"}, ended
        for job in cancelled:
            assert job["JobId"] in observed["cancel"]

    def test_status_on_hold_running_and_cancelled(self, site: Site, observed: dict[str, Any]) -> None:
        on_hold, running, cancelled = (observed[name] for name in ("on hold", "running", "cancelled"))
        assert on_hold["status"] == "on hold"
        assert sum(on_hold["documents"].values()) == 0
        assert running["status"] == "running"
        assert running["pace"]["labels_per_hour"] > 0
        assert running["pace"]["n_labels"] <= running["documents"]["labels"]
        assert running["pace"]["basis"]
        dft = running["cluster"]["iterations"]["0"]["dft"]
        assert dft["done"] > 0, "label jobs belong to the iteration that added them"
        assert cancelled["status"] == "cancelled"
        assert cancelled["documents"]["labels"] >= running["documents"]["labels"]
        for row in cancelled["cluster"]["jobs"].values():
            assert row["waiting"] == row["ready"] == row["running"] == 0
        assert sum(row["cancelled"] for row in cancelled["cluster"]["jobs"].values()) > 0

    def test_last_worker_writes_the_report(self, site: Site) -> None:
        assert "Li7P3S11" in (site.root / "tiny" / "report" / "report.html").read_text()

    def test_resubmission_of_a_finished_campaign_is_rejected(self, site: Site, tiny_file: Path) -> None:
        done = site.command("submit", str(tiny_file), check=False)
        assert done.returncode == 2
        assert "campaign tiny is finished" in done.stderr

    def test_password_is_only_in_the_settings_file(
        self, site: Site, mongo_uri: str, database: str, needles: tuple[bytes, ...]
    ) -> None:
        """Not in a database, script, log, artifact, report or output."""
        client: MongoClient[Any] = MongoClient(mongo_uri)
        dump = b"".join(
            bson.encode(document)
            for name in (database, f"{database}_fireworks")
            for collection in client[name].list_collection_names()
            for document in client[name][collection].find()
        )
        client.close()
        files = {
            path: path.read_bytes()
            for folder in (site.root, site.slurm.folder)
            for path in folder.rglob("*")
            if path.is_file() and path != site.root / "interphase.yaml"
        }
        assert len(files) > 20
        output = "".join(site.output).encode()
        for needle in needles:
            assert needle not in dump
            assert needle not in output
            assert [str(path) for path, content in files.items() if needle in content] == []
        assert os.stat(site.root / "interphase.yaml").st_mode & 0o077 == 0
