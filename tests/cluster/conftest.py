"""Fixtures: a MongoDB server with a new database for every test module, and Slurm."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlsplit

import pytest
from pymongo import MongoClient

from interphase_flows.runners.fireworks import firetask
from interphase_flows.settings import MongodbSettings, Settings, load_settings
from interphase_flows.storage.workspace import Workspace
from mongo_server import MISSING, URI_VARIABLE, MongoServer, is_installed
from slurm_cluster import SlurmCluster, why_not

USER = "alice"
# special characters, so that its percent-encoded form differs
PASSWORD = "tr0ub4dor:planted/3"


@pytest.fixture(scope="session")
def needles(mongo_uri: str) -> tuple[bytes, ...]:
    """The password of the server in plain and percent-encoded form, which must not appear anywhere."""
    password = urlsplit(mongo_uri).password
    if not password:
        pytest.skip(f"{URI_VARIABLE} has no password to search for")
    return password.encode(), unquote_plus(password).encode()


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server of MONGODB_URI, or else of a new one that requires a password."""
    if given := os.environ.get(URI_VARIABLE):
        yield given
        return
    if not is_installed():
        pytest.skip(MISSING)
    with MongoServer(tmp_path_factory.mktemp("mongo") / "data") as server:
        server.require_password(USER, PASSWORD)
        yield f"mongodb://{USER}:{quote_plus(PASSWORD)}@localhost:{server.port}/?authSource=admin"


@pytest.fixture(scope="module")
def database(mongo_uri: str) -> Iterator[str]:
    """Name of a new database, dropped at the end."""
    name = f"interphase_test_{uuid.uuid4().hex[:12]}"
    yield name
    client: MongoClient[Any] = MongoClient(mongo_uri)
    client.drop_database(name)
    client.close()


@pytest.fixture(scope="module")
def mongo(mongo_uri: str, database: str) -> MongodbSettings:
    """Settings of a store in that database."""
    return MongodbSettings(type="mongodb", database=database, uri=mongo_uri)


@pytest.fixture(scope="module")
def mongo_variables(mongo_uri: str, database: str) -> dict[str, str]:
    """The same as environment variables, for commands in separate processes."""
    return {
        "INTERPHASE_STORE__TYPE": "mongodb",
        "INTERPHASE_STORE__URI": mongo_uri,
        "INTERPHASE_STORE__DATABASE": database,
    }


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[MongoServer]:
    """A server that a test may kill and restart; never that of MONGODB_URI."""
    if not is_installed():
        pytest.skip(
            "SecantusDB is not installed, and another server must not be killed: pip install 'SecantusDB==0.7.0b3'"
        )
    with MongoServer(tmp_path / "data") as server:
        yield server


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """Slurm with two nodes on this machine."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def settings(
    tmp_path: Path, mongo: MongodbSettings, mongo_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of this process, its workers and the processes that it starts."""
    for name, value in (mongo_variables | {"INTERPHASE_ARTIFACTS_URL": str(tmp_path / "shared")}).items():
        monkeypatch.setenv(name, value)
    workers = '{"all": {"kinds": ["dft", "train", "md", "analysis"], "wait_for_work_s": 0.5}}'
    monkeypatch.setenv("INTERPHASE_CLUSTER__WORKERS", workers)
    monkeypatch.setenv("INTERPHASE_ROOT", str(tmp_path / "runs"))
    # every test has a new folder for its artifacts
    monkeypatch.setattr(Workspace, "check_artifacts", lambda self: None)
    monkeypatch.setattr(firetask, "_workspaces", {})
    monkeypatch.setattr(firetask, "_job_stores", {})
    return load_settings()
