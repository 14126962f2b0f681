"""Setting up and checking a site with a real Slurm and a real server, including faulty configurations."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import bson
import pytest
from pymongo import MongoClient
from ruamel.yaml import YAML

from interphase_flows.cli import EXIT_CODE_CTRL_C
from interphase_flows.runners.site_check.probe_jobs import wait_until_ended
from interphase_flows.runners.slurm import Partition, jobs_in_queue, partitions
from site_commands import ENDS_WITHIN_S, Place
from slurm_cluster import READY_WITHIN_S, SlurmCluster, why_not
from tiny_campaign import command

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """Slurm with the partitions of the example and with GPUs that no program can use."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    with SlurmCluster(folder, cpus_per_node=32, has_gpus=True, partitions=("cpu", "gpu", "shared")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def place(
    slurm: SlurmCluster, mongo_uri: str, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A site written by `interphase init --site`."""
    folder = tmp_path_factory.mktemp("site")
    # in a separate folder, so that files left beside the root are detected
    (folder / "shared").mkdir()
    place = Place(folder / "settings", folder / "shared" / "root", mongo_uri, database, slurm)
    place.password_file.touch(mode=0o600)
    parts = urlsplit(mongo_uri)
    place.password_file.write_text(unquote_plus(str(parts.password)))
    options = {
        "--host": f"{parts.hostname}:{parts.port}",
        "--database": database,
        "--username": str(parts.username),
        "--password-file": str(place.password_file),
        "--auth-source": "admin",
        "--root": str(place.root),
        "--partition": "cpu",
        "--gpu-partition": "gpu",
        "--shared-partition": "shared",
        "--account": "my-project",
    }
    done = place.run(
        *command(
            [
                "init",
                "--site",
                str(place.folder),
                *(argument for each in options.items() for argument in each),
            ]
        )
    )
    assert done.returncode == 0, done.stderr
    yield place
    client: MongoClient[Any] = MongoClient(mongo_uri)
    client.drop_database(f"{database}_fireworks")
    client.close()


@pytest.fixture(scope="module", autouse=True)
def queue_of_the_test(slurm: SlurmCluster) -> Iterator[None]:
    """Environment of Slurm's commands in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm.variables.items():
            patch.setenv(name, value)
        yield


OF_A_CAMPAIGN = {"_id": 1, "fw_id": 10**6, "state": "READY", "spec": {"_category": "analysis"}}


@dataclass(frozen=True)
class Checked:
    """Results of the check, and what exists after it."""

    results: dict[str, tuple[bool, str]]
    documents: set[bytes]
    files: set[str]
    queue: list[str]


@pytest.fixture(scope="module")
def checked(place: Place) -> Checked:
    """Check the site while a job of a campaign is ready."""
    client: MongoClient[Any]
    with MongoClient(place.uri) as client:
        fireworks = client[f"{place.database}_fireworks"].fireworks
        fireworks.insert_one(OF_A_CAMPAIGN)
        done = Checked(place.check(), *place.left())
        fireworks.delete_one({"_id": OF_A_CAMPAIGN["_id"]})
    return done


class TestHealthySite:
    def test_a_job_of_every_kind_returns_from_a_node(self, checked: Checked) -> None:
        for title in ("store", "FireWorks' database", "Slurm"):
            assert checked.results[title][0], checked.results
        for worker, kinds in {"cpu": ["dft"], "gpu": ["train", "md"], "shared": ["analysis"]}.items():
            assert checked.results[f"worker {worker}, sbatch"] == (True, "Slurm accepts its script")
            for kind in kinds:
                passed, message = checked.results[f"worker {worker}, {kind} job"]
                assert passed, message
                assert message.startswith(("returned from n1", "returned from n2"))

    def test_all_checks_of_every_node_pass(self, checked: Checked) -> None:
        for name in ("Python", "database", "root", "files", "time"):
            for worker in ("cpu", "gpu", "shared"):
                passed, message = checked.results[f"worker {worker}, {name}"]
                assert passed, message
        assert "read and written from both sides" in checked.results["worker cpu, root"][1]
        # 600 s beyond the reserved time, minus the start of Python
        assert checked.results["worker cpu, time"][1].startswith("stops at a checkpoint after 1")
        assert "worker cpu, DFT" in checked.results

    def test_unusable_gpu_is_the_only_failed_check(self, checked: Checked) -> None:
        passed, message = checked.results["worker gpu, GPU"]
        assert not passed
        assert message.startswith("1 requested, torch ")
        assert "can use 0" in message
        assert {title for title, (passed, _) in checked.results.items() if not passed} <= {
            "worker gpu, GPU",
            "worker cpu, DFT",  # where GPAW is not installed
            "memory",
        }

    def test_no_document_file_or_allocation_remains(self, checked: Checked) -> None:
        """Nor the root, which did not exist before."""
        assert checked.documents == {bson.encode(OF_A_CAMPAIGN)}
        assert checked.files == set()
        assert checked.queue == []

    def test_ready_jobs_of_campaigns_are_left_alone(self, checked: Checked) -> None:
        assert bson.encode(OF_A_CAMPAIGN) in checked.documents


def test_faulty_workers_are_diagnosed_with_a_hint(place: Place, slurm: SlurmCluster) -> None:
    """A missing partition, failing lines of `before`, a node that does not see the root."""
    place.root.mkdir()
    slurm.end("slurmd.n2")
    slurm.start_node("n2", blind_to=place.root)
    slurm.wait_until(lambda: "n2" in slurm.idle_nodes(), READY_WITHIN_S, "n2 is not back")
    cores = {"partition": "cpu", "memory_gb": 1.5}
    on_n1, on_n2 = {"nodelist": "n1"}, {"nodelist": "n2"}
    workers = {
        "nowhere": {"kinds": ["dft", "train", "md", "analysis"], "partition": "nowhere"},
        "brief": {"kinds": ["analysis"], "walltime": "00:05:00", **cores},
        "grumbles": {"kinds": ["analysis"], "before": ["true", "false a line"], "sbatch": on_n1, **cores},
        "stops": {
            "kinds": ["analysis"],
            "before": ["echo out of paper >&2", "exit 3"],
            "sbatch": on_n1,
            **cores,
        },
        "leaks": {
            "kinds": ["analysis"],
            "before": [f"cat {place.password_file} >&2", "exit 4"],
            "sbatch": on_n1,
            **cores,
        },
        "cut-off": {
            "kinds": ["analysis"],
            "environment": {"INTERPHASE_STORE__PORT": "9"},
            "sbatch": on_n1,
            **cores,
        },
        "blind": {"kinds": ["analysis"], "sbatch": on_n2, **cores},
    }
    broken = place.with_workers(workers)
    before = place.left()
    checked = broken.check()
    assert place.left() == before

    passed, message = checked["worker nowhere, sbatch"]
    assert not passed
    assert "invalid partition specified: nowhere" in message
    assert "correct cluster.workers.nowhere" in message
    passed, message = checked["worker brief, sbatch"]
    assert not passed
    assert "more than 360 s" in message
    assert checked["worker grumbles, analysis job"][0]
    passed, message = checked["worker grumbles, before"]
    assert not passed
    assert "false a line" in message
    passed, message = checked["worker stops, jobs"]
    assert not passed
    assert "ended before its job was done (FAILED, exit code 3:0); last line of its log: out of paper" in message
    passed, message = checked["worker leaks, jobs"]
    assert not passed
    assert "(FAILED, exit code 4:0); last line of its log: ***. Hint: check before" in message
    passed, message = checked["worker cut-off, jobs"]
    assert not passed
    assert "no server reachable at localhost:9 (store.host, store.port)" in message
    passed, message = checked["worker blind, jobs"]
    assert not passed
    assert "on n2 ended before its job was done" in message
    assert f"check that the node sees {place.root}" in message


def test_allocation_that_waits_too_long_is_cancelled_with_slurms_reason(place: Place) -> None:
    """Its start is delayed by an hour."""
    worker = {"kinds": ["dft", "train", "md", "analysis"], "sbatch": {"begin": "now+1hour"}}
    late = place.with_workers({"late": worker})
    before = place.left()
    passed, message = late.check("--timeout-minutes", "0.25")["worker late, jobs"]
    assert not passed
    assert "is pending (Slurm's reason: BeginTime) after 0.25 min; it is cancelled" in message
    assert place.left() == before


def test_reference_method_of_a_campaign_is_checked_on_the_node(place: Place) -> None:
    """Only the worker knows VASP, by a line of `before`; its potentials are missing."""
    kinds = ["dft", "train", "md", "analysis"]
    worker = {"kinds": kinds, "before": ["export VASP_CMD='sh -c true'"], "sbatch": {"nodelist": "n1"}}
    known = place.with_workers({"all": worker})
    campaign = known.folder / "campaign.yaml"
    campaign.write_text("name: by_vasp\nphases: [Li, Li2S, Li7P3S11]\nreference: {method: vasp}\n")
    results = known.check(str(campaign))
    assert results["phase Li2S"][0]
    assert "VASP's command" not in results
    for kind in kinds:
        assert results[f"worker all, {kind} job"][0], results
    assert results["worker all, before"] == (True, "none of its 1 lines failed")
    passed, message = results["worker all, DFT"]
    assert not passed
    assert "VASP's potential" in message


def test_check_stopped_by_ctrl_c_leaves_nothing_behind(place: Place) -> None:
    """The waiting allocation is cancelled, and job and files are removed."""
    worker = {"kinds": ["dft", "train", "md", "analysis"], "sbatch": {"begin": "now+1hour"}}
    patient = place.with_workers({"late": worker})
    before = place.left()
    process = subprocess.Popen(
        command(["check", "--cluster"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=patient.folder,
        env=patient.environment(),
    )
    try:
        place.slurm.wait_until(lambda: jobs_in_queue("if-check-"), ENDS_WITHIN_S, "no allocation")
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=ENDS_WITHIN_S)
    finally:
        process.kill()
    assert process.returncode == EXIT_CODE_CTRL_C, message
    assert place.left() == before


def test_unreachable_database_is_reported_without_its_password(place: Place, needles: tuple[bytes, ...]) -> None:
    """No job is submitted; checks that need no database still run."""
    unreachable = place.with_workers({"all": {"kinds": ["dft", "train", "md", "analysis"]}})
    path = unreachable.folder / "settings.yaml"
    yaml = YAML(typ="safe")
    content = yaml.load(path)
    content["store"]["port"] = 9
    yaml.dump(content, path)
    done = unreachable.run(*command(["check", "--cluster"]))
    assert done.returncode == 1, done.stderr
    assert "FAIL FireWorks' database: " in done.stdout
    assert "no server reachable at localhost:9 (store.host, store.port)" in done.stdout
    assert "ok   worker all, sbatch" in done.stdout
    assert "FAIL jobs: not submitted: they need the database" in done.stdout
    assert all(needle.decode() not in done.stdout + done.stderr for needle in needles)


def test_partitions_are_parsed(slurm: SlurmCluster) -> None:
    assert partitions() == [
        Partition(name, name == "cpu", cores_per_node=32, time_limit_s=None) for name in slurm.partitions
    ]


class TestQadapters:
    def test_slurm_accepts_their_scripts(self, place: Place) -> None:
        for name in ("cpu", "gpu", "shared"):
            code = (
                "from fireworks.utilities.fw_serializers import load_object_from_file as load;"
                f"print(load('{place.folder}/qadapter_{name}.yaml').get_script_str('/tmp'))"
            )
            rendered = place.run(sys.executable, "-W", "ignore", "-c", code)
            assert rendered.returncode == 0, rendered.stderr
            script = place.folder / f"{name}.sh"
            script.write_text(rendered.stdout)
            taken = place.run("sbatch", "--test-only", str(script))
            assert taken.returncode == 0, taken.stderr
            assert f"in partition {name}" in taken.stderr

    def test_qlaunch_submits_an_allocation_that_runs_a_ready_job(
        self, place: Place, checked: Checked, slurm: SlurmCluster
    ) -> None:
        launchpad = place.folder / "my_launchpad.yaml"
        assert os.stat(launchpad).st_mode & 0o077 == 0
        password = unquote_plus(str(urlsplit(place.uri).password))
        launchpad.write_text(launchpad.read_text().replace('password: ""', f"password: '{password}'"))
        programs = Path(sys.executable).parent
        marker = place.folder / "done"
        task = {"_fw_name": "ScriptTask", "script": f"touch {marker}"}
        job = place.folder / "job.json"
        job.write_text(json.dumps({"name": "touch", "spec": {"_category": "analysis", "_tasks": [task]}}))
        files = "-w my_fworker_shared.yaml -q qadapter_shared.yaml"
        for line in ("lpad add job.json", f"qlaunch {files} singleshot"):
            program, *arguments = line.split()
            done = place.run(str(programs / program), "-l", "my_launchpad.yaml", *arguments)
            assert done.returncode == 0, done.stderr
        try:
            slurm.wait_until(marker.exists, ENDS_WITHIN_S, "no worker did the job")
            (allocation,) = jobs_in_queue("if-")
            assert allocation.name == f"if-{place.database}_fireworks-shared"
        finally:
            place.run("scancel", "--me")
            wait_until_ended([each.job_id for each in jobs_in_queue("")])
