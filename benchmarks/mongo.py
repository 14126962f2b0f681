"""A temporary MongoDB database for benchmarks, on the server of MONGODB_URI or else on that of the tests.

The tests' server (tests/mongo_server.py) is SecantusDB, an implementation of MongoDB's protocol in Python that needs much
more CPU time than a mongod. So its CPU time is reported separately.
"""

import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from mongo_server import MISSING, URI_VARIABLE, MongoServer, is_installed


@dataclass(frozen=True)
class BenchDatabase:
    """Address and name of a database, and the process id of its server if it was started here."""

    uri: str
    name: str
    server: str
    server_pid: int | None = None

    @property
    def launchpad(self) -> str:
        """Name of the corresponding FireWorks database."""
        return f"{self.name}_fireworks"

    def server_cpu_s(self) -> float:
        """Return the CPU time of the server so far; NaN if it runs elsewhere."""
        return float("nan") if self.server_pid is None else cpu_s(self.server_pid)

    def variables(self, root: Path) -> dict[str, str]:
        """Return the settings of this package as environment variables, with its files below a root."""
        return {
            "INTERPHASE_STORE__TYPE": "mongodb",
            "INTERPHASE_STORE__URI": self.uri,
            "INTERPHASE_STORE__DATABASE": self.name,
            "INTERPHASE_ROOT": str(root),
        }


def cpu_s(pid: int) -> float:
    """Return the user and system CPU time of a process on this machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bench_database() -> Iterator[BenchDatabase]:
    """Create a database with a unique name, and drop it at the end."""
    name = f"interphase_bench_{uuid.uuid4().hex[:12]}"
    if given := os.environ.get(URI_VARIABLE):
        try:
            yield BenchDatabase(given, name, f"the server of {URI_VARIABLE}")
        finally:
            _drop(given, name)
        return
    if not is_installed():
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as folder, MongoServer(Path(folder) / "data") as server:
        assert server.process is not None
        yield BenchDatabase(
            server.uri,
            name,
            "SecantusDB of tests/mongo_server.py, on this machine",
            server.process.pid,
        )


def _drop(uri: str, prefix: str) -> None:
    client: MongoClient[Any] = MongoClient(uri)
    for name in client.list_database_names():
        if name.startswith(prefix):
            client.drop_database(name)
    client.close()
