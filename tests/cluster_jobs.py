"""Small jobs for tests of FireWorks; a worker of another process imports them from here."""

import errno
import os
import time
from pathlib import Path

from jobflow import job

from interphase_flows.exceptions import WalltimeReachedError


@job
def out_of_time_once(marker: str) -> int:
    """Run out of time at the first attempt."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        raise WalltimeReachedError("walltime reached (a test) in a job; a resume goes on")
    return 7


@job
def plus_one(number: int) -> int:
    return number + 1


@job
def broken() -> int:
    raise ValueError("broken on purpose")


@job
def count_those_there(numbers: list) -> int:
    return sum(number is not None for number in numbers)


@job
def leave_a_line(path: str, number: int) -> int:
    """Append one line at once: a job that runs twice leaves two."""
    with open(path, "a") as file:
        file.write(f"{number} {os.getpid()}\n")
    return number


@job
def wait_for(go: str, begun: str) -> int:
    """Tell that it began, and wait for a file: it may be killed meanwhile."""
    with open(begun, "a") as file:
        file.write(f"{os.getpid()}\n")
    while not Path(go).exists():
        time.sleep(0.1)
    return os.getpid()


@job
def disk_full_once(marker: str) -> int:
    """Find the disk full at the first attempt."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), marker)
    return 7
