"""kill -9 at any instant loses nothing acknowledged and leaves nothing half."""

import random
import subprocess
import sys

import pytest

from interphase_flows.storage.sqlite_store import SqliteStore

_WRITE = """
import sys
from interphase_flows.storage.sqlite_store import SqliteStore
store = SqliteStore(sys.argv[1], key="key", unique_keys=["key"])
store.connect()
n = store.count() // 5
while True:
    store.update([{"key": f"{n}-{i}", "batch": n, "check": [n] * 300} for i in range(5)])
    print(n, flush=True)
    n += 1
"""


def write_and_kill(path, n_acknowledged):
    """Start a writer, kill it after some acknowledgements; returns the last one."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        last = [int(process.stdout.readline()) for _ in range(n_acknowledged)][-1]
        process.kill()
        # what it acknowledged between the last line read and its death counts too
        return max([last, *(int(line) for line in process.stdout if line.endswith("\n"))])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_9_in_the_middle_of_updates(tmp_path, seed):
    """Every acknowledged batch is there, every batch is whole, and a writer goes on."""
    path = tmp_path / "documents.sqlite"
    rng = random.Random(seed)
    for _ in range(2):
        last = write_and_kill(path, rng.randint(1, 60))
        with SqliteStore(path, key="key", read_only=True) as store:
            documents = list(store.query())
        batches = {d["batch"] for d in documents}
        assert batches >= set(range(last + 1))
        assert len(documents) == 5 * len(batches)
        assert all(d["check"] == [d["batch"]] * 300 for d in documents)


_HALF = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")  # forces pages of an open transaction to the disk
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE documents SET body = zeroblob(length(body))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("read_only", [True, False])
def test_a_half_written_transaction_is_rolled_back(tmp_path, read_only):
    """The journal of a killed writer is played back, by a reader as well."""
    path = tmp_path / "documents.sqlite"
    with SqliteStore(path, key="key") as store:
        store.update([{"key": f"k{i}", "text": "x" * 1000} for i in range(100)])
        wanted = list(store.query())
    size = path.stat().st_size
    subprocess.run([sys.executable, "-c", _HALF, str(path)], check=False)
    assert path.with_name("documents.sqlite-journal").stat().st_size > 0
    assert path.stat().st_size == size
    with SqliteStore(path, key="key", read_only=read_only) as store:
        assert list(store.query()) == wanted
