"""Progress events of long work, for the command line and log files.

Work calls :func:`emit`; a display installs a listener. Nothing is stored, and without a listener nothing happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

JOBS = "jobs"
"""Stage of the jobs finished in this process; the total is unknown because the flow is dynamic."""

SCF = "scf"
"""Stage of the SCF steps of one label; a second listener combines it with the number of the label in its batch."""

JOB = "job"
"""Stage of a worker process that starts a job, named by the detail; without a detail, it is idle."""

FAILED = "failed jobs"
"""Stage of failed jobs: ``done`` have failed with the error in the detail."""


class ProgressEvent(NamedTuple):
    """``done`` of ``total`` units of a stage are finished; ``worker`` is 0 in the process that does the work."""

    stage: str
    done: int
    total: int
    detail: str = ""
    worker: int = 0


Listener = Callable[[ProgressEvent], None]

_listeners: list[Listener] = []


def emit(stage: str, done: int, total: int, detail: str = "", worker: int = 0) -> None:
    """Report that ``done`` of ``total`` units of a stage are finished."""
    event = ProgressEvent(stage, done, total, detail, worker)
    for listener in tuple(_listeners):
        listener(event)


def add_listener(listener: Listener) -> None:
    """Call a listener at every :func:`emit` until the process ends."""
    _listeners.append(listener)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a listener at every :func:`emit` inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
