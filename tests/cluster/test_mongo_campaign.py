"""A campaign in MongoDB: killed, resumed, shared, queried and reported with the results of an embedded one."""

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from campaign_documents import essence
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.ledger import KINDS, STATE_KINDS, Ledger
from tiny_campaign import TINY, command, environment, run_without_report

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

RESULTS = sorted({*KINDS} - {"failures", *STATE_KINDS})
NOT_COMPUTED = {"cell_transport", "compiled_potentials", "convergence_studies", "lattice_constants", "transport_grids"}
"""Kinds of documents that the campaign does not request."""
REACHES_THE_MIDDLE_WITHIN_S = 400.0


@dataclass(frozen=True)
class Place:
    """Settings of a campaign, for this process and for commands."""

    settings: Settings
    variables: dict[str, str]
    output: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        if isinstance(self.settings.store, MongodbSettings):
            return Ledger.in_mongodb(self.settings.store)
        return Ledger.embedded(self.settings.root / "tiny" / "ledger.sqlite", read_only=True)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command([*arguments, "--root", str(self.settings.root)]),
            capture_output=True,
            text=True,
            check=False,
            env=environment() | self.variables,
            timeout=600,
        )
        self.output.extend((done.stdout, done.stderr))
        assert not check or done.returncode == 0, done.stderr
        return done

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        ledger = self.ledger
        found = {document["key"]: document for document in ledger.find(kind)}
        ledger.close()
        return found


@pytest.fixture(scope="module")
def embedded(finished_root: Path) -> Place:
    """The campaign with the embedded store, uninterrupted."""
    return Place(Settings(root=finished_root), {})


def in_mongodb(root: Path, mongo: MongodbSettings, variables: dict[str, str], artifacts: Path) -> Place:
    return Place(
        Settings(root=root, store=mongo, artifacts_url=str(artifacts)),
        variables | {"INTERPHASE_ARTIFACTS_URL": str(artifacts)},
    )


@dataclass(frozen=True)
class Interrupted:
    """Observations of a campaign that was killed."""

    place: Place
    pid: int
    while_running: dict[str, Any]
    second_process: subprocess.CompletedProcess[str]
    arguments: bytes
    after_kill: dict[str, Any]
    labels: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def killed(
    tiny_file: Path,
    mongo: MongodbSettings,
    mongo_variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Interrupted:
    """Kill the process group of the campaign once a model is trained, then resume it to its end."""
    root = tmp_path_factory.mktemp("mongo-root")
    place = in_mongodb(root, mongo, mongo_variables, root / "shared")
    log = root / "first-process.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command(["run", str(tiny_file), "--root", str(root)]),
            env=environment() | place.variables,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    ledger = place.ledger
    try:
        deadline = time.monotonic() + REACHES_THE_MIDDLE_WITHIN_S
        while not ledger.count("models"):
            assert process.poll() is None, f"it trained no model:\n{log.read_text()}"
            assert time.monotonic() < deadline, "no model was trained in time"
            time.sleep(0.2)
        arguments = arguments_of_session(process.pid)
        while_running = json.loads(place.command("status", "tiny", "--json").stdout)
        second_process = place.command("run", str(tiny_file), check=False)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ledger.close()
    after_kill = json.loads(place.command("status", "tiny", "--json").stdout)
    labels = place.documents("labels")
    # without a name: it is the only campaign of its database
    place.command("resume")
    return Interrupted(place, process.pid, while_running, second_process, arguments, after_kill, labels)


def arguments_of_session(leader: int) -> bytes:
    """Return the arguments of a process and its children."""
    found = b""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(path.name)) == leader:
                found += (path / "cmdline").read_bytes()
    return found


class TestCampaignInMongodb:
    def test_status_is_running_and_then_interrupted(self, killed: Interrupted) -> None:
        """The lock of its folder ends with its process."""
        assert killed.while_running["status"] == "running"
        assert f"process {killed.pid} " in killed.while_running["running"]
        assert killed.after_kill["status"] == "interrupted"

    def test_second_process_in_the_same_folder_is_rejected(self, killed: Interrupted) -> None:
        """Two processes may share a database, but not checkpoints."""
        assert killed.second_process.returncode == 2
        assert f"process {killed.pid} " in killed.second_process.stderr
        assert "Traceback" not in killed.second_process.stderr

    def test_resume_after_kill_gives_the_keys_of_the_embedded_store(self, killed: Interrupted, embedded: Place) -> None:
        for kind in RESULTS:
            assert killed.place.documents(kind).keys() == embedded.documents(kind).keys(), kind

    @pytest.mark.parametrize("kind", ["labels", "datasets", "iterations"])
    def test_documents_equal_those_of_the_embedded_store(self, killed: Interrupted, embedded: Place, kind: str) -> None:
        ours, theirs = killed.place.documents(kind), embedded.documents(kind)
        assert ours
        assert essence(ours) == essence(theirs)

    def test_labels_before_the_kill_are_not_recomputed(self, killed: Interrupted) -> None:
        assert killed.labels
        final = killed.place.documents("labels")
        assert {key: final[key] for key in killed.labels} == killed.labels

    def test_kill_is_not_recorded_as_a_failure(self, killed: Interrupted) -> None:
        assert killed.place.documents("failures") == {}

    def test_status_and_queries_equal_those_of_the_embedded_store(self, killed: Interrupted, embedded: Place) -> None:
        ours, theirs = (json.loads(place.command("status", "--json").stdout) for place in (killed.place, embedded))
        for name in ("name", "status", "outcome", "documents", "labels_rejected", "missing", "iterations"):
            assert ours[name] == theirs[name], name
        query = ("query", "labels", "status=accepted", "energy_eV<0", "--format", "csv", "--limit", "0")
        tables = [sorted(place.command(*query).stdout.splitlines()) for place in (killed.place, embedded)]
        assert len(tables[0]) > 10
        assert tables[0] == tables[1]

    def test_exports_equal_those_of_the_embedded_store(
        self, killed: Interrupted, embedded: Place, tmp_path: Path
    ) -> None:
        """Dataset and trajectories agree bit by bit, and all models exist."""
        targets = {"dataset": "dataset.extxyz", "trajectories": "trajectories", "models": "models"}
        for what, target in targets.items():
            for number, place in enumerate((killed.place, embedded)):
                place.command("export", what, str(tmp_path / str(number) / target))
        for what in ("dataset", "trajectories"):
            ours, theirs = (files(tmp_path / number / targets[what]) for number in "01")
            assert ours
            assert ours == theirs, what
        assert files(tmp_path / "0" / "models").keys() == files(tmp_path / "1" / "models").keys() != set()

    def test_report_is_written_from_the_database_alone(self, killed: Interrupted) -> None:
        path = Path(killed.place.command("report").stdout.strip())
        assert "Li7P3S11" in path.read_text()

    def test_password_is_in_no_document_file_output_or_argument(
        self, killed: Interrupted, mongo_uri: str, needles: tuple[bytes, ...]
    ) -> None:
        for kind in ("campaigns", "labels", "failures"):
            killed.place.command("query", kind, "-c", "tiny", "--format", "json", "--limit", "0")
        killed.place.command("check")
        searched = {
            "database": database_dump(mongo_uri, killed.place.settings.store.database),
            "output": "".join(killed.place.output).encode(),
            "arguments": killed.arguments,
        }
        root = killed.place.settings.root
        searched |= {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        assert b"tiny.yaml" in searched["arguments"]
        assert b"Li7P3S11" in searched["database"]
        for name in ("tiny/jobs.log", "tiny/report/report.html", "tiny/campaign.lock", "first-process.txt"):
            assert str(root / name) in searched
        assert [name for name, text in searched.items() if any(needle in text for needle in needles)] == []


def database_dump(uri: str, database: str) -> bytes:
    """Return all documents of all collections."""
    client: MongoClient[Any] = MongoClient(uri)
    names = client[database].list_collection_names()
    assert {"interphase_labels", "interphase_jobs"} <= set(names)
    found = b"".join(bson.encode(document) for name in names for document in client[database][name].find())
    client.close()
    return found


def files(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {found.name: found.read_bytes() for found in path.iterdir()}


@pytest.fixture(scope="module")
def twin(
    killed: Interrupted,
    mongo: MongodbSettings,
    mongo_variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A campaign with another name and the same content, in another folder with the same database."""
    folder = tmp_path_factory.mktemp("twin")
    (folder / "twin.yaml").write_text(TINY.replace("name: tiny", "name: twin"))
    shared = Path(str(killed.place.settings.artifacts_url))
    place = in_mongodb(folder / "runs", mongo, mongo_variables, shared)
    run_without_report(folder / "twin.yaml", place.settings.root, place.variables)
    return place


class TestSecondCampaignInTheDatabase:
    def test_reuses_all_documents(self, twin: Place, killed: Interrupted) -> None:
        for kind in RESULTS:
            found = {document["campaign"] for document in twin.documents(kind).values()}
            assert found == (set() if kind in NOT_COMPUTED else {"tiny"}), kind

    def test_has_a_separate_result_with_the_same_documents(self, twin: Place) -> None:
        states = twin.documents("campaigns")
        assert states["twin"]["status"] == "finished"
        assert {**states["twin"]["result"], "name": "tiny"} == states["tiny"]["result"]

    def test_status_without_or_with_a_wrong_name_lists_the_campaigns(self, twin: Place) -> None:
        nameless = twin.command("status", check=False)
        assert nameless.returncode == 2
        assert "there are 2 campaigns (tiny, twin). Hint: name one" in nameless.stderr
        wrong = twin.command("status", "tinny", check=False)
        assert wrong.returncode == 2
        assert "no such campaign: tinny; existing campaigns: tiny, twin" in wrong.stderr

    def test_status_shows_iterations_computed_by_the_first_campaign(self, twin: Place) -> None:
        iterations = json.loads(twin.command("status", "twin", "--json").stdout)["iterations"]
        assert [line["index"] for line in iterations] == [0, 1, 2]
