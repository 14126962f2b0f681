"""Jobs with every kind of jobflow's responses, importable by worker processes."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from jobflow import Flow, OnMissing, Response, job

from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import is_stop_requested

RAN = "ran.txt"


@job
def note(name, *parents, **response):
    """Append the name to a file in the current folder, and return a response of flows named by `CREATED`."""
    with Path(RAN).open("a") as stream:
        stream.write(f"{name}\n")
    if "fail" in response:
        raise ValueError("failed on purpose")
    created = {key: CREATED[value]() if isinstance(value, str) else value for key, value in response.items()}
    return Response(output=name, **created)


def ran(folder: Path) -> list[str]:
    """Return the names of the jobs that ran, in order, and forget them."""
    path = folder / RAN
    names = path.read_text().split("\n")[:-1] if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def tolerant(name, *parents):
    made = note(name, *parents)
    made.config.on_missing_references = OnMissing.NONE
    return made


def pair(first: str, second: str, *, with_output: bool) -> Flow:
    one = note(first)
    two = note(second, one.output)
    return Flow([one, two], output=two.output if with_output else None)


CREATED: dict[str, Callable] = {
    "job": lambda: note("replacement"),
    "flow": lambda: pair("one", "two", with_output=True),
    "nested": lambda: note("nested", replace="innermost"),
    "innermost": lambda: note("innermost"),
    "inserted": lambda: pair("detour", "second", with_output=False),
    "added": lambda: note("addition"),
    "failing": lambda: note("replacement", fail=True),
    "stopping": lambda: note("replacement", stop_jobflow=True),
}


def chain(**response):
    """Return a job with a response, its child and its grandchild."""
    first = note("first", **response)
    child = note("child", first.output)
    return Flow([first, child, note("grandchild", child.output)])


def failing():
    failed = note("failed", fail=True)
    skipped = note("skipped", failed.output)
    return Flow([failed, skipped, note("also skipped", skipped.output), tolerant("tolerant", failed.output)])


FLOWS: dict[str, Callable[[], Flow]] = {
    "independent and dependent jobs": chain,
    "replace by a job": lambda: chain(replace="job"),
    "replace by a flow": lambda: chain(replace="flow"),
    "nested replace": lambda: chain(replace="nested"),
    "detour": lambda: chain(detour="inserted"),
    "addition": lambda: chain(addition="added"),
    "all three": lambda: chain(addition="added", detour="inserted", replace="job"),
    "replacement that fails": lambda: chain(replace="failing"),
    "stop children": lambda: chain(stop_children=True),
    "stop jobflow": lambda: chain(stop_jobflow=True),
    "replacement that stops jobflow": lambda: chain(replace="stopping"),
    "stored data": lambda: chain(stored_data={"a": 1}),
    "failed parent": failing,
}


def poll(has_come: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + limit_s
    while not has_come():
        assert time.monotonic() < end, "the condition was not met"
        time.sleep(0.02)


@job
def meet(mine, other):
    """Wait for another job that runs at the same time, and return the identifier of this process."""
    Path(mine).touch()
    poll(Path(other).exists)
    emit(f"met {other}", 1, 1)
    return os.getpid()


@job
def die(n_deaths):
    """Kill this process the first times, then return the number of attempts."""
    with Path("attempts").open("a") as stream:
        stream.write("x")
    n_attempts = Path("attempts").stat().st_size
    if n_attempts <= n_deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return n_attempts


@job
def wait_for_a_kill():
    """Wait in the first attempt until this process is killed, then return the number of attempts."""
    with Path("attempts").open("a") as stream:
        stream.write("x")
    n_attempts = Path("attempts").stat().st_size
    if n_attempts == 1:
        Path(f"waiting-{os.getpid()}").touch()
        poll(lambda: False)
    return n_attempts


@job
def end_process():
    """Raise the exception by which programs end."""
    raise SystemExit(3)


@job
def work_until_stopped(time_to_checkpoint_s=0.0):
    """Do work that ends at a checkpoint when a stop is requested."""
    Path(f"working-{os.getpid()}").touch()
    poll(is_stop_requested)
    time.sleep(time_to_checkpoint_s)
    Path(f"checkpoint-{os.getpid()}").touch()
    raise WalltimeReachedError("stopped at a checkpoint")


@job
def unserialisable():
    """Return a flow that cannot be written as JSON."""
    return Response(addition=note("addition", object()))
