"""A password works from every place it may be kept, and no place tells it, least of all when it is wrong."""

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
from interphase_flows.runners.slurm.allocations import allocation_script
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage import mongodb
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.mongodb_store import MongodbStore

pytestmark = pytest.mark.cluster

WRONG = "wr0ng:planted/4"
PLACES = ["settings file", "password file", "variable", "address", "address in a variable"]


class Machine:
    """A user's home, working folder and environment; commands run in this process, and what they print is kept."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in [name for name in os.environ if name.startswith("INTERPHASE_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.chdir(folder)

    def keep(self, place: str, address: str, database: str, **other: str) -> None:
        """Keep the password of an address in one of the places; ``other`` keys of the store win."""
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
        """Exit code and all that was printed."""
        self._monkeypatch.setattr(sys, "argv", ["interphase", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        printed = self._capsys.readouterr()
        return code or 0, printed.out + printed.err


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, monkeypatch, capsys)


def holds(text: str, *passwords: str | bytes) -> bool:
    """Whether one of the passwords is there, as it is or as it stands in an address."""
    words = [p.decode() if isinstance(p, bytes) else p for p in passwords]
    return any(form in text for word in words for form in (word, quote_plus(word)))


@pytest.fixture(scope="module")
def asked(mongo: MongodbSettings) -> str:
    """The database, with one failure to ask for."""
    ledger = Ledger.in_mongodb(mongo, "planted")
    spec = {"spec": {}, "status": "failed", "started_at": "2026-01-01"}
    ledger.set_state("campaigns", "planted", spec)
    ledger.record_failure("labels", "a", "max_force")
    ledger.close()
    return mongo.database


@pytest.mark.parametrize("place", PLACES)
def test_the_password_works_from_every_place(
    place: str, asked: str, mongo_uri: str, needles: tuple[bytes, ...], machine: Machine
) -> None:
    """The ledger answers, and the answer does not repeat it."""
    machine.keep(place, mongo_uri, asked)
    code, told = machine.interphase("query", "failures")
    assert code == 0, told
    assert "max_force" in told
    assert not holds(told, *needles)


@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_password_is_told_without_it(
    place: str, asked: str, mongo_uri: str, needles: tuple[bytes, ...], machine: Machine
) -> None:
    """With the keys to mend, and neither the wrong one nor the right one."""
    machine.keep(place, mongo_uri.replace(needles[0].decode(), quote_plus(WRONG)), asked)
    code, told = machine.interphase("status")
    assert code == 2
    assert "user or password are wrong" in told
    assert "store.username" in told
    assert not holds(told, WRONG, *needles)


@pytest.mark.parametrize(
    ("other", "words"),
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
def test_settings_that_cannot_be_are_told_without_the_password(
    other: dict[str, str], words: str, machine: Machine
) -> None:
    """Malformed addresses, an address for a host, wrong types, keys with a typing error."""
    machine.keep("settings file", f"mongodb://alice:{quote_plus(WRONG)}@localhost:9", "d", **other)
    code, told = machine.interphase("status")
    assert code == 2, told
    assert words in told
    assert not holds(told, WRONG, "PLANTED")


@pytest.mark.parametrize(
    ("place", "words"),
    [("variable", "localhost:9 (store.host, store.port)"), ("address in a variable", "store.uri")],
)
def test_a_server_that_is_not_there_is_told_without_the_password(
    place: str, words: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an address as of a host."""
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    machine.keep(place, f"mongodb://alice:{quote_plus(WRONG)}@localhost:9", "d")
    code, told = machine.interphase("status", "tiny")
    assert code == 2
    assert f"no server answers at {words}" in told
    assert not holds(told, WRONG)


@pytest.mark.parametrize("words", [[], ["run"], ["query"], ["check"]])
def test_help_tells_no_setting(
    words: list[str], mongo_uri: str, needles: tuple[bytes, ...], machine: Machine
) -> None:
    """Of any command, whatever is in the environment."""
    machine.keep("address in a variable", mongo_uri, "d")
    code, told = machine.interphase(*words, "--help")
    assert code == 0
    assert "Usage" in told
    assert not holds(told, *needles)


def test_an_error_holds_no_password_in_its_chain_nor_a_store_in_its_forms(
    mongo_uri: str, needles: tuple[bytes, ...]
) -> None:
    """A traceback in a log shows causes and contexts as well; a workflow engine stores a store."""
    address = mongo_uri.replace(needles[0].decode(), quote_plus(WRONG))
    store = MongodbStore("interphase_labels", "key", MongodbSettings(type="mongodb", uri=address))
    assert not holds(repr(store) + str(store) + store.name + str(store.as_dict()), WRONG)
    store.connect()
    with pytest.raises(StorageError) as refusal:
        store.count({"a": 1})
    store.close()
    assert not holds("".join(traceback.format_exception(refusal.value)), WRONG)


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


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("what", ["no server", "wrong password"])
@pytest.mark.parametrize("place", ["variable", "address"])
def test_no_command_tells_it_when_the_database_fails(
    place: str,
    what: str,
    words: list[str],
    mongo_uri: str,
    needles: tuple[bytes, ...],
    machine: Machine,
    monkeypatch,
) -> None:
    """Exit code and words, by whichever part of the package asks the database first."""
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    wrong = f"mongodb://alice:{quote_plus(WRONG)}@localhost:9/?authSource=admin"
    if what == "wrong password":
        wrong = mongo_uri.replace(needles[0].decode(), quote_plus(WRONG))
    machine.keep(place, wrong, "planted")
    (machine.folder / "c.yaml").write_text("name: planted\n")
    code, told = machine.interphase(*words)
    assert code != 0, told
    assert "Traceback" not in told
    assert ("no server answers" if what == "no server" else "user or password are wrong") in told
    assert not holds(told, WRONG, *needles)
    left = [path for path in machine.folder.rglob("*") if path.is_file()]
    secrets = {machine.folder / name for name in ("secret", "interphase.yaml")}
    assert not [
        path for path in left if path not in secrets and holds(path.read_text(errors="replace"), WRONG)
    ]


@pytest.mark.parametrize("place", PLACES)
def test_fireworks_and_slurm_are_told_nothing(
    place: str, mongo_uri: str, database: str, needles: tuple[bytes, ...], machine: Machine, monkeypatch
) -> None:
    """Jobs, their outputs and tracebacks, workers' folders and batch scripts, wherever the password is kept."""
    name = f"{database}_{PLACES.index(place)}"
    machine.keep(place, mongo_uri, name)
    monkeypatch.setenv("INTERPHASE_CLUSTER__WORKERS", WORKERS)
    monkeypatch.setenv("WRONG_ADDRESS", mongo_uri.replace(needles[0].decode(), quote_plus(WRONG)))
    monkeypatch.setattr(firetask, "_workspaces", {})
    settings = load_settings()
    for each in (plus_one(1), broken(), query_with_wrong_password("WRONG_ADDRESS")):
        add(settings, Flow([each]), "planted")
    shift = work(settings, "all", machine.folder / "launches")
    assert shift.n_jobs == 3
    _, told = machine.interphase("query", "failures", "-c", "planted", "--json")
    (machine.folder / "script.sh").write_text(allocation_script(settings, "all") + told)
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
    assert b"user or password are wrong" in stored  # the traceback of the job that asked
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
    """Of whatever asks the database: with causes and contexts, as a log has them; nor does what is printed of it."""
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    store: dict[str, Any] = {"type": "mongodb", "database": "d", "host": "localhost", "port": 9}
    if form == "uri":
        store = {"type": "mongodb", "uri": f"mongodb://alice:{quote_plus(WRONG)}@localhost:9/"}
    else:
        store |= {"username": "alice", "password": WRONG}
    settings = load_settings(store=MongodbSettings(**store), campaign="c")
    for ask in (
        lambda: CampaignResults(settings=settings),
        lambda: open_launchpad(settings),
        lambda: Ledger.in_mongodb(settings.store).put("labels", "a", {}),
    ):
        with pytest.raises(InterphaseError) as refusal:
            ask()
        told = "".join(traceback.format_exception(refusal.value))
        assert "no server answers" in told
        assert not holds(told + repr(refusal.value) + repr(refusal.value.__context__), WRONG)
    assert not holds(repr(settings) + str(settings) + settings.model_dump_json(), WRONG)
