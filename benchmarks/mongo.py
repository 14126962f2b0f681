"""A MongoDB for benchmarks: that of MONGODB_URI, else the server that the tests start; a database that is dropped after.

The tests' server (tests/mongo_server.py) is SecantusDB, which speaks MongoDB's protocol but is written in Python: its
own share of a time is many times that of a mongod.  So its CPU time is told apart.
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
    """Where a benchmark writes: an address, a name that is its own, and the server's process if it was started here."""

    uri: str
    name: str
    server: str
    server_pid: int | None = None

    @property
    def launchpad(self) -> str:
        """Name of FireWorks' database beside it."""
        return f"{self.name}_fireworks"

    def server_cpu_s(self) -> float:
        """Return the CPU time of the server so far; not a number if it runs elsewhere."""
        return float("nan") if self.server_pid is None else cpu_s(self.server_pid)

    def variables(self, root: Path) -> dict[str, str]:
        """Return the settings of this package, as variables of the environment, with its files below a root."""
        return {
            "INTERPHASE_STORE__TYPE": "mongodb",
            "INTERPHASE_STORE__URI": self.uri,
            "INTERPHASE_STORE__DATABASE": self.name,
            "INTERPHASE_ROOT": str(root),
        }


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process of this machine, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bench_database() -> Iterator[BenchDatabase]:
    """Give a database of a name that nobody has, and drop what was written."""
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
        # its folder goes with it
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
