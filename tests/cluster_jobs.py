"""Small jobs for tests of FireWorks, importable by workers in other processes."""

import errno
import os
import time
from pathlib import Path

from jobflow import Flow, Response, job

from interphase_flows.exceptions import SettingsError, WalltimeReachedError
from interphase_flows.jobs.caching import cached_exclusive
from interphase_flows.md.checkpoint import write_checkpoint_file
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.document import Document
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage.mongodb_store import MongodbStore
from interphase_flows.storage.workspace import current_workspace


@job
def out_of_time_once(marker: str) -> int:
    """Reach the walltime at the first attempt."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        raise WalltimeReachedError("walltime reached (a test) in a job; resume to continue")
    return 7


@job
def plus_one(number: int) -> int:
    return number + 1


@job
def broken() -> int:
    raise ValueError("broken on purpose")


@job
def count_present(numbers: list) -> int:
    return sum(number is not None for number in numbers)


@job
def append_line(path: str, number: int) -> int:
    """Append one line in one write: a job that runs twice leaves two."""
    with open(path, "a") as file:
        file.write(f"{number} {os.getpid()}\n")
    return number


@job
def wait_for_file(go: str, begun: str) -> int:
    """Record that it has started, and wait for a file; the process may be killed meanwhile."""
    with open(begun, "a") as file:
        file.write(f"{os.getpid()}\n")
    while not Path(go).exists():
        time.sleep(0.1)
    return os.getpid()


@job
def stopped_once(marker: str) -> int:
    """Exit at the first attempt, as Lightning does on SIGTERM."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        raise SystemExit("SIGTERM")
    return 7


@job
def disk_full_once(marker: str) -> int:
    """Fail at the first attempt because the disk is full."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), marker)
    return 7


@job
def label_with_command(command: str) -> int:
    """Fail because of the settings of the machine until the command exists."""
    if not Path(command).exists():
        raise SettingsError(f"vasp_command: {command} is not on this machine. Hint: load its module")
    return 1


class CountDoc(Document):
    """Process ids, by step."""

    counted_by: list[int]


@job
def count_with_checkpoints(key: str, n_steps: int, go: str) -> int:
    """Count in a leased folder with a checkpoint per step; wait for a file at half. Returns the process id."""
    workspace = current_workspace()

    def compute(folder: Path) -> CountDoc:
        counted = folder / "count"
        lines = counted.read_text().splitlines() if counted.exists() else []
        while len(lines) < n_steps:
            lines.append(str(os.getpid()))
            write_checkpoint_file(counted, "\n".join(lines).encode())
            while len(lines) == n_steps // 2 and not Path(go).exists():
                time.sleep(0.05)
        return CountDoc(key=key, counted_by=[int(pid) for pid in lines])

    cached_exclusive("models", key, CountDoc, deadline(workspace.settings), "a count", compute)
    return os.getpid()


@job
def more_jobs(n: int, path: str) -> Response:
    """Return several jobs, and one that adds up their outputs, as a replacement."""
    several = [append_line(path, number) for number in range(n)]
    total = add_up([each.output for each in several])
    return Response(replace=Flow([*several, total], output=total.output))


@job
def add_up(numbers: list) -> int:
    return sum(numbers)


@job
def query_with_wrong_password(address: str) -> int:
    """Fail because the database denies access; the address is in the environment, since it is a secret."""
    store = MongodbStore("interphase_labels", "key", MongodbSettings(type="mongodb", uri=os.environ[address]))
    store.connect()
    try:
        return store.count()
    finally:
        store.close()


@job
def wait_and_add_jobs(go: str, begun: str, n: int) -> Response:
    """Wait for a file, then add jobs."""
    wait_for_file.original(go, begun)
    return Response(output=n, addition=Flow([plus_one(number) for number in range(n)]))


@job
def run_until_stopped(begun: str, number: int) -> None:
    """Run until this process is requested to stop."""
    Path(begun).write_text(f"{number}\n")
    end = deadline(load_settings())
    while True:
        end.check("another round")
        time.sleep(0.05)
