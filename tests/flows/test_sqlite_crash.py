"""A process killed at any instant loses no committed document and leaves no partial one."""

import random
import subprocess
import sys

import pytest

from interphase_flows.storage.sqlite_backend import SqliteBackend

_WRITE = """
import sys
from interphase_flows.storage.sqlite_backend import SqliteBackend
backend = SqliteBackend(sys.argv[1])
n = backend.count("labels", {})
while True:
    backend.insert("labels", {"key": str(n), "n": n, "check": [n] * 1500})
    backend.modify("progress", "last", lambda old: {"key": "last", "n": n, "check": [n] * 1500})
    print(n, flush=True)
    n += 1
"""


def write_and_kill(path, n_acknowledged):
    """Start a writer, kill it after some acknowledgements, and return the last one."""
    with subprocess.Popen([sys.executable, "-c", _WRITE, str(path)], stdout=subprocess.PIPE, text=True) as process:
        last = [int(process.stdout.readline()) for _ in range(n_acknowledged)][-1]
        process.kill()
        # acknowledgements between the last line read and the kill count too
        return max([last, *(int(line) for line in process.stdout if line.endswith("\n"))])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_9_during_writes_keeps_every_acknowledged_document(tmp_path, seed):
    """Every document is complete, and the next writer continues."""
    path = tmp_path / "documents.sqlite"
    rng = random.Random(seed)
    for _ in range(2):
        last = write_and_kill(path, rng.randint(1, 60))
        reader = SqliteBackend(path, read_only=True)
        documents, (state,) = reader.find("labels", {}), reader.find("progress", {})
        reader.close()
        numbers = [document["n"] for document in documents]
        assert numbers == list(range(len(numbers)))
        assert last <= state["n"] <= numbers[-1] <= state["n"] + 1
        assert all(d["check"] == [d["n"]] * 1500 for d in [*documents, state])


_PARTIAL = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")  # forces pages of an open transaction to the disk
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE documents SET body = zeroblob(length(body))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("read_only", [True, False])
def test_a_partial_transaction_is_rolled_back(tmp_path, read_only):
    """A reader plays back the journal of a killed writer as well."""
    path = tmp_path / "documents.sqlite"
    backend = SqliteBackend(path)
    for i in range(100):
        backend.insert("labels", {"key": f"k{i}", "text": "x" * 1000})
    expected = backend.find("labels", {})
    backend.close()
    size = path.stat().st_size
    subprocess.run([sys.executable, "-c", _PARTIAL, str(path)], check=False)
    assert path.with_name("documents.sqlite-journal").stat().st_size > 0
    assert path.stat().st_size == size
    reopened = SqliteBackend(path, read_only)
    assert reopened.find("labels", {}) == expected
    reopened.close()
