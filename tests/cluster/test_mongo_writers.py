"""Writers of one ledger in MongoDB: races, restarts of the server, and rejected documents."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from interphase_flows.exceptions import DocumentTooLargeError, StorageError
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage import mongodb
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.mongodb_store import MongodbStore
from interphase_flows.storage.workspace import Workspace, open_workspace
from mongo_server import MongoServer

pytestmark = pytest.mark.cluster

N_PROCESSES = 4
N_KEYS = 20

_RACE = """
import sys
from interphase_flows.settings import load_settings
from interphase_flows.storage.ledger import Ledger
ledger = Ledger.in_mongodb(load_settings().store, "race")
ledger.count("labels")
print("ready", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[2])):
    print(ledger.put("labels", f"k{i}", {"by": sys.argv[1]})["by"])
    ledger.record_failure("labels", "f", "x")
ledger.close()
"""


def test_racing_processes_get_one_document_per_key(mongo: MongodbSettings, mongo_variables: dict[str, str]) -> None:
    """All get the document of the first writer, and every repetition of a failure is counted."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, str(number), str(N_KEYS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | mongo_variables,
        )
        for number in range(N_PROCESSES)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    winners = [racer.communicate(timeout=120)[0].split() for racer in racers]
    ledger = Ledger.in_mongodb(mongo)
    assert len(winners[0]) == N_KEYS
    assert all(each == winners[0] for each in winners)
    assert ledger.count("labels") == N_KEYS
    assert ledger.failure("labels", "f")["tries"] == N_PROCESSES * N_KEYS
    ledger.close()


def settings_of(server: MongoServer) -> MongodbSettings:
    return MongodbSettings(type="mongodb", port=server.port, database="restarts")


def test_restart_of_a_killed_server_loses_no_result(own_server: MongoServer) -> None:
    """Writers retry; every put that returned is stored exactly once."""
    ledger = Ledger.in_mongodb(settings_of(own_server), "c")
    ledger.put("labels", "first", {"n": -1})
    written: list[str] = []
    some, ended = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            written.append(ledger.put("labels", f"k{number}", {"n": number})["key"])
            ledger.set_state("progress", "p", {"n": number})
            number += 1
            if number % 5 == 0:
                some.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            assert some.wait(60)
            own_server.kill()
            own_server.start()
            some.clear()
            assert some.wait(60), "no write succeeded after the restart"
    finally:
        ended.set()
        writer.join(90)
    assert sorted(d["key"] for d in ledger.find("labels")) == sorted(["first", *written])
    assert ledger.get("progress", "p")["n"] == len(written) - 1
    ledger.close()


def test_server_that_does_not_come_back_raises_with_its_address(
    own_server: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 100)
    impatient = settings_of(own_server).model_copy(update={"reconnect_timeout_s": 0.2})
    ledger = Ledger.in_mongodb(impatient, "c")
    ledger.put("labels", "a", {})
    own_server.kill()
    for operation in (lambda: ledger.get("labels", "a"), lambda: ledger.put("labels", "b", {})):
        with pytest.raises(StorageError, match=rf"no server reachable at localhost:{own_server.port}.*then resume"):
            operation()
    ledger.close()


def test_large_document_is_rejected_with_its_largest_field(mongo: MongodbSettings) -> None:
    ledger = Ledger.in_mongodb(mongo, "c")
    with pytest.raises(DocumentTooLargeError, match=r"labels large: 1\.2 MB is over 1 MB.*forces .*artifact"):
        ledger.put("labels", "large", {"forces": [0.5] * 80_000})
    assert ledger.get("labels", "large") is None
    ledger.close()


def test_collection_without_a_unique_index_is_rejected(mongo: MongodbSettings, mongo_uri: str) -> None:
    """The index exists but is not unique, or two documents have the same key."""
    client: MongoClient[Any] = MongoClient(mongo_uri)
    client[mongo.database]["interphase_models"].create_index("key")
    client[mongo.database]["interphase_datasets"].insert_many([{"key": "a"}, {"key": "a"}])
    client.close()
    ledger = Ledger.in_mongodb(mongo, "c")
    for kind in ("models", "datasets"):
        with pytest.raises(StorageError, match=f"no unique index on 'key' of .*interphase_{kind}: .*then resume"):
            ledger.put(kind, "b", {})
    ledger.close()


def test_database_itself_enforces_unique_keys(mongo: MongodbSettings, mongo_uri: str) -> None:
    ledger = Ledger.in_mongodb(mongo, "c")
    ledger.put("segments", "a", {})
    client: MongoClient[Any] = MongoClient(mongo_uri)
    indexes = client[mongo.database]["interphase_segments"].index_information()
    client.close()
    ledger.close()
    assert indexes["key_1"]["unique"] is True


def test_deserialised_store_connects_by_the_settings_of_its_machine(
    mongo: MongodbSettings, mongo_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The serialised form contains neither server nor database."""
    store = MongodbStore("interphase_jobs", "uuid", mongo)
    sent = store.as_dict()
    assert not any(mongo.database in str(value) or "mongodb:" in str(value) for value in sent.values())
    monkeypatch.chdir(tmp_path)
    for name, value in mongo_variables.items():
        monkeypatch.setenv(name, value)
    arrived = MongodbStore.from_dict(sent)
    assert arrived == store
    arrived.connect()
    arrived.update({"uuid": "u", "x": 1})
    store.connect()
    assert store.query_one({"uuid": "u"})["x"] == 1
    arrived.close()
    store.close()


def test_artifacts_of_another_database_are_rejected(mongo: MongodbSettings, tmp_path: Path) -> None:
    """Otherwise a machine that does not see the files would treat all of them as lost."""
    ours = Settings(root=tmp_path / "ours", store=mongo)
    with open_workspace(ours, "c") as workspace:
        kept = workspace.artifacts.put_bytes(b"precious", "models")
    moved = tmp_path / "moved"
    (tmp_path / "ours" / "artifacts").rename(moved)
    settings = Settings(root=tmp_path / "ours", store=mongo, artifacts_url=str(tmp_path / "others"))
    with pytest.raises(StorageError, match=r"artifacts_url: .* is not the artifact store to which the documents"):
        open_workspace(settings, "c").__enter__()
    with pytest.raises(StorageError, match="the file is damaged, or this is another folder"):
        open_workspace(Settings(root=tmp_path / "ours", store=mongo), "c").__enter__()
    # the same files at another path are accepted
    with open_workspace(Settings(root=tmp_path / "ours", store=mongo, artifacts_url=str(moved)), "c") as workspace:
        assert workspace.artifacts.get(kept).read_bytes() == b"precious"


def test_damaged_identity_of_an_artifact_store_is_an_error_before_anything_is_written(
    mongo: MongodbSettings, tmp_path: Path
) -> None:
    own = mongo.model_copy(update={"database": f"{mongo.database}_identity"})
    settings = Settings(root=tmp_path, store=own)
    with open_workspace(settings, "c") as workspace:
        path, recorded = tmp_path / "artifacts" / "identity", workspace.artifacts.identity()
    for content, message in (
        (recorded.encode()[:-1] + (b"0" if recorded[-1] != "0" else b"1"), f"records {recorded}"),
        (b"", "does not contain an identifier"),
        (b"\xff" + recorded.encode()[1:], "does not contain an identifier"),
    ):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=message):
            open_workspace(settings, "c").__enter__()
    path.write_text(recorded)
    with open_workspace(settings, "c") as workspace:
        entry = workspace.ledger.get("progress", "artifacts") or {}
    for document in ({"identity": None, "root_url": entry["root_url"]}, {"identity": recorded}, {"root_url": ["x"]}):
        with closing(Workspace(settings, "c")) as workspace:
            workspace.ledger.set_state("progress", "artifacts", document)
        with pytest.raises(StorageError, match="the document artifacts of the kind progress is damaged"):
            open_workspace(settings, "c").__enter__()
