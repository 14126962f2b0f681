"""A site is written by one command and proved by another: real Slurm, a real server, and what can go wrong with them."""

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

from checked_site import ENDS_WITHIN_S, Place
from interphase_flows.cli import STOPPED_BY_CTRL_C
from interphase_flows.runners.site_check.probe_jobs import wait_until_ended
from interphase_flows.runners.slurm.commands import Partition, jobs_in_queue, partitions
from slurm_cluster import READY_WITHIN_S, SlurmCluster, why_not
from tiny_campaign import command

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A Slurm with the partitions that the example names, and GPUs that are none."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    with SlurmCluster(
        folder, cpus_per_node=32, has_gpus=True, partitions=("cpu", "gpu", "shared")
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def place(
    slurm: SlurmCluster, mongo_uri: str, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A site as `interphase init --site` writes it."""
    folder = tmp_path_factory.mktemp("site")
    # root is alone in its folder, so that what is left behind beside it is seen, too
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
        *command(["init", "--site", str(place.folder), *(word for each in options.items() for word in each)])
    )
    assert done.returncode == 0, done.stderr
    yield place
    client: MongoClient[Any] = MongoClient(mongo_uri)
    client.drop_database(f"{database}_fireworks")
    client.close()


@pytest.fixture(scope="module", autouse=True)
def queue_of_the_test(slurm: SlurmCluster) -> Iterator[None]:
    """Of what this process asks itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm.variables.items():
            patch.setenv(name, value)
        yield


OF_A_CAMPAIGN = {"_id": 1, "fw_id": 10**6, "state": "READY", "spec": {"_category": "analysis"}}


@dataclass(frozen=True)
class Checked:
    """What the check said, and what was left after it."""

    answers: dict[str, tuple[bool, str]]
    documents: set[bytes]
    files: set[str]
    queue: list[str]


@pytest.fixture(scope="module")
def checked(place: Place) -> Checked:
    """The site as it was written, with a job of somebody's campaign that is ready."""
    client: MongoClient[Any]
    with MongoClient(place.uri) as client:
        fireworks = client[f"{place.database}_fireworks"].fireworks
        fireworks.insert_one(OF_A_CAMPAIGN)
        done = Checked(place.check(), *place.left())
        fireworks.delete_one({"_id": OF_A_CAMPAIGN["_id"]})
    return done


class TestASiteThatIsWell:
    def test_sends_a_job_of_every_kind_through_its_worker(self, checked: Checked) -> None:
        """And every job comes back, from a node of Slurm's."""
        for title in ("store", "FireWorks' database", "Slurm"):
            assert checked.answers[title][0], checked.answers
        for worker, kinds in {"cpu": ["dft"], "gpu": ["train", "md"], "shared": ["analysis"]}.items():
            assert checked.answers[f"worker {worker}, sbatch"] == (True, "Slurm accepts its script")
            for kind in kinds:
                is_good, told = checked.answers[f"worker {worker}, {kind} job"]
                assert is_good, told
                assert told.startswith(("returned from n1", "returned from n2"))

    def test_tells_what_the_jobs_saw(self, checked: Checked) -> None:
        """Their Python, the database, the root and files from both sides, the time they have, DFT."""
        for name in ("Python", "database", "root", "files", "time"):
            for worker in ("cpu", "gpu", "shared"):
                is_good, told = checked.answers[f"worker {worker}, {name}"]
                assert is_good, told
        assert "read and written from both sides" in checked.answers["worker cpu, root"][1]
        # 600 s beyond what is kept, less the start of Python
        assert checked.answers["worker cpu, time"][1].startswith("stops at a checkpoint after 1")
        assert "worker cpu, DFT" in checked.answers

    def test_finds_that_a_gpu_is_none(self, checked: Checked) -> None:
        """Slurm gives one that no program sees: that is the one thing amiss, and it is told."""
        is_good, told = checked.answers["worker gpu, GPU"]
        assert not is_good
        assert told.startswith("1 requested, torch ")
        assert "can use 0" in told
        assert {title for title, (is_good, _) in checked.answers.items() if not is_good} <= {
            "worker gpu, GPU",
            "worker cpu, DFT",  # where GPAW is not installed
            "memory",
        }

    def test_leaves_nothing_behind(self, checked: Checked) -> None:
        """No document, no file, not even the root that was not there before, nobody in the queue."""
        assert checked.documents == {bson.encode(OF_A_CAMPAIGN)}
        assert checked.files == set()
        assert checked.queue == []

    def test_leaves_jobs_of_campaigns_alone(self, checked: Checked) -> None:
        """One that is ready for the same worker is neither run nor changed."""
        assert bson.encode(OF_A_CAMPAIGN) in checked.documents


def test_what_can_be_wrong_with_workers_is_told_with_the_mend(place: Place, slurm: SlurmCluster) -> None:
    """A partition that is not there, lines that fail, a node that does not see the root."""
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

    is_good, told = checked["worker nowhere, sbatch"]
    assert not is_good
    assert "invalid partition specified: nowhere" in told
    assert "correct cluster.workers.nowhere" in told
    is_good, told = checked["worker brief, sbatch"]
    assert not is_good
    assert "more than 360 s" in told
    assert checked["worker grumbles, analysis job"][0]
    is_good, told = checked["worker grumbles, before"]
    assert not is_good
    assert "false a line" in told
    is_good, told = checked["worker stops, jobs"]
    assert not is_good
    assert "ended before its job was done (FAILED, exit code 3:0); last line of its log: out of paper" in told
    is_good, told = checked["worker leaks, jobs"]
    assert not is_good
    assert "(FAILED, exit code 4:0); last line of its log: ***. Hint: check before" in told
    is_good, told = checked["worker cut-off, jobs"]
    assert not is_good
    assert "no server answers at localhost:9 (store.host, store.port)" in told
    is_good, told = checked["worker blind, jobs"]
    assert not is_good
    assert "on n2 ended before its job was done" in told
    assert f"check that the node sees {place.root}" in told


def test_an_allocation_that_waits_too_long_is_told_with_slurms_reason_and_cancelled(place: Place) -> None:
    """A queue that is long: here one that begins in an hour."""
    worker = {"kinds": ["dft", "train", "md", "analysis"], "sbatch": {"begin": "now+1hour"}}
    late = place.with_workers({"late": worker})
    before = place.left()
    is_good, told = late.check("--timeout-minutes", "0.25")["worker late, jobs"]
    assert not is_good
    assert "is pending (Slurm's reason: BeginTime) after 0.25 min; it is cancelled" in told
    assert place.left() == before


def test_the_reference_method_of_a_campaign_is_asked_for_where_it_runs(place: Place) -> None:
    """VASP is known to the worker alone, by a line of `before`; its potentials are what is missing."""
    kinds = ["dft", "train", "md", "analysis"]
    worker = {"kinds": kinds, "before": ["export VASP_CMD='sh -c true'"], "sbatch": {"nodelist": "n1"}}
    known = place.with_workers({"all": worker})
    campaign = known.folder / "campaign.yaml"
    campaign.write_text("name: by_vasp\nphases: [Li, Li2S, Li7P3S11]\nreference: {method: vasp}\n")
    answers = known.check(str(campaign))
    assert answers["phase Li2S"][0]
    assert "VASP's command" not in answers
    for kind in kinds:
        assert answers[f"worker all, {kind} job"][0], answers
    assert answers["worker all, before"] == (True, "none of its 1 lines failed")
    is_good, told = answers["worker all, DFT"]
    assert not is_good
    assert "VASP's potential" in told


def test_a_check_that_is_stopped_leaves_nothing_behind(place: Place) -> None:
    """Ctrl-C while an allocation waits: it is cancelled, and job and files are taken away."""
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
        _, told = process.communicate(timeout=ENDS_WITHIN_S)
    finally:
        process.kill()
    assert process.returncode == STOPPED_BY_CTRL_C, told
    assert place.left() == before


def test_a_database_that_does_not_answer_is_told_without_its_password(
    place: Place, needles: tuple[bytes, ...]
) -> None:
    """No job is sent, and what can be asked without it still is."""
    unreachable = place.with_workers({"all": {"kinds": ["dft", "train", "md", "analysis"]}})
    path = unreachable.folder / "settings.yaml"
    yaml = YAML(typ="safe")
    content = yaml.load(path)
    content["store"]["port"] = 9
    yaml.dump(content, path)
    done = unreachable.run(*command(["check", "--cluster"]))
    assert done.returncode == 1, done.stderr
    assert "FAIL FireWorks' database: " in done.stdout
    assert "no server answers at localhost:9 (store.host, store.port)" in done.stdout
    assert "ok   worker all, sbatch" in done.stdout
    assert "FAIL jobs: not submitted: they need the database" in done.stdout
    assert all(needle.decode() not in done.stdout + done.stderr for needle in needles)


def test_partitions_are_read(slurm: SlurmCluster) -> None:
    """Their names, the default one, the cores of a node and no limit of time."""
    assert partitions() == [
        Partition(name, name == "cpu", cores_per_node=32, time_limit_s=None) for name in slurm.partitions
    ]


class TestTheQadapters:
    def test_are_taken_by_slurm(self, place: Place) -> None:
        """Each loads in FireWorks, and sbatch takes the script it renders."""
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

    def test_work_with_plain_qlaunch(self, place: Place, checked: Checked, slurm: SlurmCluster) -> None:
        """qlaunch submits an allocation for a ready job, and the worker in it does the job."""
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
            program, *words = line.split()
            done = place.run(str(programs / program), "-l", "my_launchpad.yaml", *words)
            assert done.returncode == 0, done.stderr
        try:
            slurm.wait_until(marker.exists, ENDS_WITHIN_S, "no worker did the job")
            (allocation,) = jobs_in_queue("if-")
            assert allocation.name == f"if-{place.database}_fireworks-shared"
        finally:
            place.run("scancel", "--me")
            wait_until_ended([each.job_id for each in jobs_in_queue("")])
