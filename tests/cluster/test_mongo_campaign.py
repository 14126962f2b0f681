"""A campaign with its documents in MongoDB is the same campaign: killed, resumed, shared, asked and reported."""

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

from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.ledger import KINDS, STATE_KINDS, Ledger
from tiny_campaign import TINY, command, environment

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

RESULTS = sorted({*KINDS} - {"failures", *STATE_KINDS})
# what tells of the way and not of the result
INCIDENTAL = {"created_at", "wall_time_s", "resumed_from_epoch", "notes"}
REACHES_THE_MIDDLE_WITHIN_S = 400.0


@dataclass(frozen=True)
class Place:
    """Where a campaign is kept, for this process and for commands."""

    settings: Settings
    variables: dict[str, str]
    printed: list[str] = field(default_factory=list)

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
        self.printed.extend((done.stdout, done.stderr))
        assert not check or done.returncode == 0, done.stderr
        return done

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        ledger = self.ledger
        found = {document["key"]: document for document in ledger.find(kind)}
        ledger.close()
        return found


def essence(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: essence(v) for k, v in value.items() if k not in INCIDENTAL}
    return [essence(v) for v in value] if isinstance(value, list) else value


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
    """What was seen of a campaign that was killed, and where it is."""

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
    """The campaign in MongoDB, its process group killed once a model is trained, then resumed to its end."""
    root = tmp_path_factory.mktemp("mongo-root")
    place = in_mongodb(root, mongo, mongo_variables, root / "shared")
    words = root / "first-process.txt"
    with words.open("w") as stream:
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
            assert process.poll() is None, f"it trained no model:\n{words.read_text()}"
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
    # without its name: it is the only one of its database
    place.command("resume")
    return Interrupted(place, process.pid, while_running, second_process, arguments, after_kill, labels)


def arguments_of_session(leader: int) -> bytes:
    """Arguments of a process and of those it started."""
    found = b""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(path.name)) == leader:
                found += (path / "cmdline").read_bytes()
    return found


class TestACampaignInMongodb:
    def test_tells_that_it_runs_and_that_it_was_interrupted(self, killed: Interrupted) -> None:
        """By the lock of its folder, which dies with its process."""
        assert killed.while_running["status"] == "running"
        assert f"process {killed.pid} " in killed.while_running["running"]
        assert killed.after_kill["status"] == "interrupted"

    def test_is_not_run_twice_in_one_folder(self, killed: Interrupted) -> None:
        """Two processes may share a database; they may not share checkpoints."""
        assert killed.second_process.returncode == 2
        assert f"process {killed.pid} " in killed.second_process.stderr
        assert "Traceback" not in killed.second_process.stderr

    def test_ends_with_the_documents_of_the_embedded_one(self, killed: Interrupted, embedded: Place) -> None:
        """Every kind of result has the same keys, whatever was killed on the way."""
        for kind in RESULTS:
            assert killed.place.documents(kind).keys() == embedded.documents(kind).keys(), kind

    @pytest.mark.parametrize("kind", ["labels", "datasets", "iterations"])
    def test_ends_with_the_same_numbers(self, killed: Interrupted, embedded: Place, kind: str) -> None:
        """Energies, errors, thresholds, decisions and the data set's hash, to the last bit."""
        ours, theirs = killed.place.documents(kind), embedded.documents(kind)
        assert ours
        assert essence(ours) == essence(theirs)

    def test_computes_no_label_twice(self, killed: Interrupted) -> None:
        """A label that was there when it was killed is the same document at the end."""
        assert killed.labels
        final = killed.place.documents("labels")
        assert {key: final[key] for key in killed.labels} == killed.labels

    def test_fails_nowhere(self, killed: Interrupted) -> None:
        """A kill is not a failure."""
        assert killed.place.documents("failures") == {}

    def test_has_its_status_and_answers_queries_as_the_embedded_one(
        self, killed: Interrupted, embedded: Place
    ) -> None:
        """Counts, learning curve, and a table of numbers."""
        ours, theirs = (
            json.loads(place.command("status", "--json").stdout) for place in (killed.place, embedded)
        )
        for name in ("name", "status", "outcome", "documents", "labels_rejected", "missing", "iterations"):
            assert ours[name] == theirs[name], name
        asked = ("query", "labels", "status=accepted", "energy_eV<0", "--format", "csv", "--limit", "0")
        answers = [sorted(place.command(*asked).stdout.splitlines()) for place in (killed.place, embedded)]
        assert len(answers[0]) > 10
        assert answers[0] == answers[1]

    def test_exports_the_same_files(self, killed: Interrupted, embedded: Place, tmp_path: Path) -> None:
        """The data set and the trajectories are the same bytes; every model is there."""
        for what in ("dataset", "trajectories", "models"):
            for number, place in enumerate((killed.place, embedded)):
                place.command("export", what, str(tmp_path / str(number) / what))
        for what in ("dataset", "trajectories"):
            ours, theirs = (files(tmp_path / number / what) for number in "01")
            assert ours
            assert ours == theirs, what
        assert files(tmp_path / "0" / "models").keys() == files(tmp_path / "1" / "models").keys() != set()

    def test_is_reported(self, killed: Interrupted) -> None:
        """Anew, from the database alone."""
        path = Path(killed.place.command("report").stdout.strip())
        assert "Li7P3S11" in path.read_text()

    def test_leaves_its_password_nowhere(
        self, killed: Interrupted, mongo_uri: str, needles: tuple[bytes, ...]
    ) -> None:
        """Not in the database (job outputs too), artifacts, logs, reports, what was printed, or its arguments."""
        # what every command above printed is searched too, this one's being the most that can be asked for
        for kind in ("campaigns", "labels", "failures"):
            killed.place.command("query", kind, "-c", "tiny", "--format", "json", "--limit", "0")
        killed.place.command("check")
        searched = {
            "database": database_dump(mongo_uri, killed.place.settings.store.database),
            "printed": "".join(killed.place.printed).encode(),
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
    """Every document of every collection."""
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
    """A campaign of another name with the same work, in another folder of the same database."""
    folder = tmp_path_factory.mktemp("twin")
    (folder / "twin.yaml").write_text(TINY.replace("name: tiny", "name: twin"))
    shared = Path(str(killed.place.settings.artifacts_url))
    place = in_mongodb(folder / "runs", mongo, mongo_variables, shared)
    place.command("run", str(folder / "twin.yaml"))
    return place


class TestASecondCampaignOfTheDatabase:
    def test_computes_nothing_that_is_there(self, twin: Place, killed: Interrupted) -> None:
        """No document is added: all labels, models and segments are found by their keys."""
        for kind in RESULTS:
            found = {document["campaign"] for document in twin.documents(kind).values()}
            assert found == {"tiny"}, kind

    def test_ends_as_the_first(self, twin: Place) -> None:
        """With a result of its own that names the same documents."""
        states = twin.documents("campaigns")
        assert states["twin"]["status"] == "finished"
        assert {**states["twin"]["result"], "name": "tiny"} == states["tiny"]["result"]

    def test_is_told_apart_by_its_name(self, twin: Place) -> None:
        """Without one, both are listed; a wrong one is answered by a list."""
        nameless = twin.command("status", check=False)
        assert nameless.returncode == 2
        assert "there are 2 campaigns (tiny, twin): name one" in nameless.stderr
        wrong = twin.command("status", "tinny", check=False)
        assert wrong.returncode == 2
        assert "no such campaign: tinny; existing campaigns: tiny, twin" in wrong.stderr

    def test_shows_the_iterations_it_went_through(self, twin: Place) -> None:
        """Also those that the first had computed."""
        iterations = json.loads(twin.command("status", "twin", "--json").stdout)["iterations"]
        assert [line["index"] for line in iterations] == [0, 1, 2]
