"""Passwords: they work from every supported place, and appear in no output, file, document or traceback."""

import os
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlsplit

import bson
import pytest
from jobflow import Flow
from pymongo import MongoClient

from cluster_jobs import broken, plus_one, query_with_wrong_password
from fireworks_jobs import add
from interphase_flows.cli import main
from interphase_flows.exceptions import InterphaseError, StorageError
from interphase_flows.results import CampaignResults
from interphase_flows.runners.fireworks import firetask
from interphase_flows.runners.fireworks.launchpad import launchpad_database, open_launchpad
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.runners.slurm import allocation_script
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage import mongodb
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.mongodb_store import MongodbStore

pytestmark = pytest.mark.cluster

WRONG = "wr0ng:planted/4"
PLACES = ["settings file", "password file", "variable", "address", "address in a variable"]


class Machine:
    """A home folder and environment in which commands run in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in [name for name in os.environ if name.startswith("INTERPHASE_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.chdir(folder)

    def keep(self, place: str, address: str, database: str, **other: str) -> None:
        """Write settings with the password of an address in one of the places; ``other`` keys take precedence."""
        parts = urlsplit(address)
        store = {
            "type": "mongodb",
            "database": database,
            "host": str(parts.hostname),
            "port": str(parts.port),
        }
        store |= {"auth_source": "admin", "username": str(parts.username)}
        password = unquote_plus(str(parts.password))
        secret = self.private("secret")
        if place == "settings file":
            store["password"] = f"'{password}'"
        elif place == "password file":
            secret.write_text(password + "\n")
            store["password_file"] = str(secret)
        elif place == "variable":
            self._monkeypatch.setenv("INTERPHASE_MONGODB_PASSWORD", password)
        elif place == "address":
            store["uri"] = address
        else:
            self._monkeypatch.setenv("INTERPHASE_STORE__URI", address)
        lines = [f"  {key}: {value}\n" for key, value in (store | other).items()]
        self.private("interphase.yaml").write_text("store:\n" + "".join(lines))

    def private(self, name: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        return path

    def interphase(self, *arguments: str) -> tuple[int, str]:
        """Run a command and return its exit code and output."""
        self._monkeypatch.setattr(sys, "argv", ["interphase", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        output = self._capsys.readouterr()
        return code or 0, output.out + output.err


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, monkeypatch, capsys)


def contains(text: str, *passwords: str | bytes) -> bool:
    """Whether a text contains one of the passwords, in plain or percent-encoded form."""
    plain = [p.decode() if isinstance(p, bytes) else p for p in passwords]
    return any(form in text for each in plain for form in (each, quote_plus(each)))


@pytest.fixture(scope="module")
def filled(mongo: MongodbSettings) -> str:
    """Name of a database with one failure."""
    ledger = Ledger.in_mongodb(mongo, "planted")
    spec = {"spec": {}, "status": "failed", "started_at": "2026-01-01"}
    ledger.set_state("campaigns", "planted", spec)
    ledger.record_failure("labels", "a", "max_force")
    ledger.close()
    return mongo.database


@pytest.mark.parametrize("place", PLACES)
def test_password_works_from_every_place_and_is_not_printed(
    place: str, filled: str, mongo_uri: str, needles: tuple[bytes, ...], machine: Machine
) -> None:
    machine.keep(place, mongo_uri, filled)
    code, output = machine.interphase("query", "failures")
    assert code == 0, output
    assert "max_force" in output
    assert not contains(output, *needles)


@pytest.mark.parametrize("place", PLACES)
def test_wrong_password_is_reported_without_it(
    place: str, filled: str, mongo_uri: str, needles: tuple[bytes, ...], machine: Machine
) -> None:
    machine.keep(place, mongo_uri.replace(needles[0].decode(), quote_plus(WRONG)), filled)
    code, output = machine.interphase("status")
    assert code == 2
    assert "user or password are wrong" in output
    assert "store.username" in output
    assert not contains(output, WRONG, *needles)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"uri": "mongodb://alice:PLANTED@localhost:none/x"}, "store.uri: not an address of a MongoDB"),
        ({"uri": "mongodb://alice:PLANTEDlocalhost"}, "store.uri: not an address of a MongoDB"),
        ({"uri": "http://alice:PLANTED@localhost"}, "store.uri: not an address of a MongoDB"),
        ({"uri": "mongodb://alice:PLANTED@localhost/?tls=maybe"}, "store.uri: not an address of a MongoDB"),
        ({"host": "mongodb://alice:PLANTED@localhost"}, "store.host: "),
        ({"password": "[PLANTED]"}, "store.password: "),
        ({"pasword": "PLANTED"}, "did you mean 'password'"),
    ],
)
def test_invalid_settings_are_reported_without_the_password(
    other: dict[str, str], message: str, machine: Machine
) -> None:
    """Malformed addresses, an address as a host, wrong types, misspelled keys."""
    machine.keep("settings file", f"mongodb://alice:{quote_plus(WRONG)}@localhost:9", "d", **other)
    code, output = machine.interphase("status")
    assert code == 2, output
    assert message in output
    assert not contains(output, WRONG, "PLANTED")


@pytest.mark.parametrize(
    ("place", "address"),
    [("variable", "localhost:9 (store.host, store.port)"), ("address in a variable", "store.uri")],
)
def test_missing_server_is_reported_without_the_password(
    place: str, address: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    machine.keep(place, f"mongodb://alice:{quote_plus(WRONG)}@localhost:9", "d")
    code, output = machine.interphase("status", "tiny")
    assert code == 2
    assert f"no server reachable at {address}" in output
    assert not contains(output, WRONG)


@pytest.mark.parametrize("arguments", [[], ["run"], ["query"], ["check"]])
def test_help_shows_no_setting(
    arguments: list[str], mongo_uri: str, needles: tuple[bytes, ...], machine: Machine
) -> None:
    machine.keep("address in a variable", mongo_uri, "d")
    code, output = machine.interphase(*arguments, "--help")
    assert code == 0
    assert "Usage" in output
    assert not contains(output, *needles)


def test_exception_chain_and_serialised_store_have_no_password(mongo_uri: str, needles: tuple[bytes, ...]) -> None:
    """A traceback shows causes and contexts as well, and a workflow engine stores the serialised store."""
    address = mongo_uri.replace(needles[0].decode(), quote_plus(WRONG))
    store = MongodbStore("interphase_labels", "key", MongodbSettings(type="mongodb", uri=address))
    assert not contains(repr(store) + str(store) + store.name + str(store.as_dict()), WRONG)
    store.connect()
    with pytest.raises(StorageError) as caught:
        store.count({"a": 1})
    store.close()
    assert not contains("".join(traceback.format_exception(caught.value)), WRONG)


COMMANDS = [
    ["status", "planted"],
    ["query", "labels", "-c", "planted"],
    ["report", "planted"],
    ["export", "dataset", "data.extxyz", "-c", "planted"],
    ["resume", "planted"],
    ["submit", "c.yaml", "--no-launch"],
    ["work", "md"],
    ["recover"],
    ["check"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("fault", ["no server", "wrong password"])
@pytest.mark.parametrize("place", ["variable", "address"])
def test_no_command_prints_the_password_when_the_database_fails(
    place: str,
    fault: str,
    arguments: list[str],
    mongo_uri: str,
    needles: tuple[bytes, ...],
    machine: Machine,
    monkeypatch,
) -> None:
    """Every command reports the cause and exits with an error."""
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    wrong = f"mongodb://alice:{quote_plus(WRONG)}@localhost:9/?authSource=admin"
    if fault == "wrong password":
        wrong = mongo_uri.replace(needles[0].decode(), quote_plus(WRONG))
    machine.keep(place, wrong, "planted")
    (machine.folder / "c.yaml").write_text("name: planted\n")
    code, output = machine.interphase(*arguments)
    assert code != 0, output
    assert "Traceback" not in output
    assert ("no server reachable" if fault == "no server" else "user or password are wrong") in output
    assert not contains(output, WRONG, *needles)
    left = [path for path in machine.folder.rglob("*") if path.is_file()]
    secrets = {machine.folder / name for name in ("secret", "interphase.yaml")}
    assert not [path for path in left if path not in secrets and contains(path.read_text(errors="replace"), WRONG)]


@pytest.mark.parametrize("place", PLACES)
def test_fireworks_and_slurm_get_no_password(
    place: str, mongo_uri: str, database: str, needles: tuple[bytes, ...], machine: Machine, monkeypatch
) -> None:
    """In jobs, outputs, tracebacks, launch folders and batch scripts."""
    name = f"{database}_{PLACES.index(place)}"
    machine.keep(place, mongo_uri, name)
    monkeypatch.setenv("INTERPHASE_CLUSTER__WORKERS", WORKERS)
    monkeypatch.setenv("WRONG_ADDRESS", mongo_uri.replace(needles[0].decode(), quote_plus(WRONG)))
    monkeypatch.setattr(firetask, "_workspaces", {})
    settings = load_settings()
    for each in (plus_one(1), broken(), query_with_wrong_password("WRONG_ADDRESS")):
        add(settings, Flow([each]), "planted")
    run = work(settings, "all", machine.folder / "launches")
    assert run.n_jobs == 3
    _, output = machine.interphase("query", "failures", "-c", "planted", "--json")
    (machine.folder / "script.sh").write_text(allocation_script(settings, "all") + output)
    client: MongoClient[Any] = MongoClient(mongo_uri)
    databases = (name, launchpad_database(settings))
    stored = b"".join(
        bson.encode(document)
        for each in databases
        for collection in client[each].list_collection_names()
        for document in client[each][collection].find()
    )
    for each in databases:
        client.drop_database(each)
    client.close()
    assert b"user or password are wrong" in stored  # the traceback of the job that queried
    assert b"broken on purpose" in stored
    secrets = {machine.folder / kept for kept in ("secret", "interphase.yaml")}
    files = {path: path.read_bytes() for path in machine.folder.rglob("*") if path.is_file()}
    assert machine.folder / "script.sh" in files
    searched = {"database": stored} | {str(p): data for p, data in files.items() if p not in secrets}
    planted = [WRONG.encode(), quote_plus(WRONG).encode(), *needles]
    assert [where for where, data in searched.items() if any(needle in data for needle in planted)] == []


WORKERS = '{"all": {"kinds": ["dft", "train", "md", "analysis"], "wait_for_work_s": 0.2}}'


@pytest.mark.parametrize("form", ["uri", "password"])
def test_tracebacks_hold_no_password(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With causes and contexts, as a log shows them; nor do representations of the settings."""
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    store: dict[str, Any] = {"type": "mongodb", "database": "d", "host": "localhost", "port": 9}
    if form == "uri":
        store = {"type": "mongodb", "uri": f"mongodb://alice:{quote_plus(WRONG)}@localhost:9/"}
    else:
        store |= {"username": "alice", "password": WRONG}
    settings = load_settings(store=MongodbSettings(**store), campaign="c")
    for operation in (
        lambda: CampaignResults(settings=settings),
        lambda: open_launchpad(settings),
        lambda: Ledger.in_mongodb(settings.store).put("labels", "a", {}),
    ):
        with pytest.raises(InterphaseError) as caught:
            operation()
        output = "".join(traceback.format_exception(caught.value))
        assert "no server reachable" in output
        assert not contains(output + repr(caught.value) + repr(caught.value.__context__), WRONG)
    assert not contains(repr(settings) + str(settings) + settings.model_dump_json(), WRONG)
