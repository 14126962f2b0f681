"""A campaign on a real Slurm, by FireWorks and MongoDB, is the campaign of one machine."""

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

# a campaign of minutes, cancelled in the middle, on however slow a machine
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(2400)]

# workers put their work down after 80 s and end within two minutes, long before Slurm would end them on any machine
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
      environment: {{INTERPHASE_WALLTIME_S: "120"}}
      max_in_queue: 1
      jobs_per_allocation: 4
      wait_for_work_s: 20
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
def seen() -> dict[str, Any]:
    """Statuses of its way, and what the cancel printed."""
    return {}


@pytest.fixture(scope="module")
def site(
    slurm: SlurmCluster,
    tiny_file: Path,
    seen: dict[str, Any],
    mongo_uri: str,
    database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The campaign handed over on hold, resumed, cancelled in the middle, submitted again, and run to its end.

    Its launches are asked for every two seconds.
    """
    root = tmp_path_factory.mktemp("site")
    place = Site.with_settings(root, slurm, SETTINGS.format(root=root, uri=mongo_uri, database=database))
    place.command("submit", str(tiny_file), "--hold")
    seen["on hold"] = place.status()
    refused(place, "submit", str(tiny_file), told="is already submitted, and on hold since")
    place.command("resume", "tiny")
    refused(place, "submit", str(tiny_file), told="is already submitted (")
    refused(place, "resume", "tiny", told="not paused")
    cancel_in_the_middle(place, seen)
    place.command("submit", str(tiny_file))
    place.command("launch", "--every", "2")
    # whoever did the last job writes the report, and looks for another job for a while
    slurm.wait_until(
        lambda: len(slurm.idle_nodes()) == len(slurm.nodes),
        ENDS_WITHIN_S,
        "workers of a finished campaign stay",
    )
    yield place
    client: MongoClient[Any] = MongoClient(mongo_uri)
    client.drop_database(f"{database}_fireworks")
    client.close()


def refused(place: Site, *arguments: str, told: str) -> None:
    done = place.command(*arguments, check=False)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def cancel_in_the_middle(place: Site, seen: dict[str, Any]) -> None:
    """Once a model is trained; the daemon that asks for workers then finds nothing left and ends."""
    with (place.root / "daemon.txt").open("w") as words:
        daemon = subprocess.Popen(
            command(["launch", "--every", "2"]), env=place.environment(), stdout=words, stderr=words
        )
        try:
            end = time.monotonic() + ENDS_WITHIN_S
            # between two jobs a campaign is submitted, and runs again when a worker takes the next one
            while not (status := place.status())["documents"]["models"] or status["status"] != "running":
                assert daemon.poll() is None, (place.root / "daemon.txt").read_text()
                assert time.monotonic() < end, (
                    f"no model was trained, or nothing runs: {status}\n{place.logs()}"
                )
                time.sleep(0.2)
            seen["running"] = status
            seen["cancel"] = place.command("cancel", "tiny").stdout
            assert daemon.wait(ENDS_WITHIN_S) == 0
        finally:
            daemon.kill()
            daemon.wait()
    seen["cancelled"] = place.status()


class TestACampaignOnSlurm:
    def test_ends_and_every_job_is_done(self, site: Site) -> None:
        """Status says so, by kind, and that nobody waits in the queue."""
        status = site.status()
        assert status["status"] == "finished", f"{status}\n{site.logs()}"
        jobs = status["cluster"]["jobs"]
        for kind, row in jobs.items():
            assert row["done"] > 0, kind
            assert row["waiting"] == row["ready"] == row["running"] == row["failed"] == 0, kind
        assert "finished" in site.command("status", "tiny").stdout

    def test_ends_with_the_results_of_one_machine(
        self, site: Site, finished_root: Path, mongo: MongodbSettings
    ) -> None:
        """Labels, data sets, models, segments and decisions have the same keys, whatever was cut off on the way."""
        of_one_machine = keys_under(finished_root)
        assert all(of_one_machine.values())
        with closing(Ledger.in_mongodb(mongo)) as ledger:
            assert keys_of(ledger) == of_one_machine
            assert ledger.count("failures") == 0

    def test_puts_its_work_down_before_slurm_ends_it(self, site: Site, seen: dict[str, Any]) -> None:
        """No allocation reached its walltime; only those that were cancelled did not end by themselves."""
        ended = [job for job in site.slurm.completed() if job["Name"].startswith("if-")]
        cancelled = [job for job in ended if job["JobState"] == "CANCELLED"]
        assert len(ended) >= 2
        assert {job["JobState"] for job in ended} <= {"COMPLETED", "CANCELLED"}, ended
        for job in cancelled:
            assert job["JobId"] in seen["cancel"]

    def test_tells_on_its_way_what_it_does_and_how_fast(self, site: Site, seen: dict[str, Any]) -> None:
        """On hold nothing was done; then labels per hour, jobs of the iteration at hand; the cancel left no job."""
        on_hold, running, cancelled = (seen[name] for name in ("on hold", "running", "cancelled"))
        assert on_hold["status"] == "on hold"
        assert sum(on_hold["documents"].values()) == 0
        assert running["status"] == "running"
        assert running["pace"]["labels_per_hour"] > 0
        assert running["pace"]["n_labels"] <= running["documents"]["labels"]
        assert running["pace"]["basis"]
        dft = running["cluster"]["iterations"]["0"]["dft"]
        assert dft["done"] > 0, "labelling jobs belong to the iteration that asked for them"
        assert cancelled["status"] == "cancelled"
        assert cancelled["documents"]["labels"] >= running["documents"]["labels"]
        for row in cancelled["cluster"]["jobs"].values():
            assert row["waiting"] == row["ready"] == row["running"] == 0
        assert sum(row["cancelled"] for row in cancelled["cluster"]["jobs"].values()) > 0

    def test_has_its_report(self, site: Site) -> None:
        """Written by the worker that found the campaign finished."""
        assert "Li7P3S11" in (site.root / "tiny" / "report" / "report.html").read_text()

    def test_is_not_done_again(self, site: Site, tiny_file: Path) -> None:
        """Submitting a finished campaign is refused in words."""
        done = site.command("submit", str(tiny_file), check=False)
        assert done.returncode == 2
        assert "campaign tiny is finished" in done.stderr

    def test_leaves_its_password_nowhere(
        self, site: Site, mongo_uri: str, database: str, needles: tuple[bytes, ...]
    ) -> None:
        """Not in either database, scripts, logs, artifacts, reports or what was printed; only in the settings file."""
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
        printed = "".join(site.printed).encode()
        for needle in needles:
            assert needle not in dump
            assert needle not in printed
            assert [str(path) for path, content in files.items() if needle in content] == []
        assert os.stat(site.root / "interphase.yaml").st_mode & 0o077 == 0
