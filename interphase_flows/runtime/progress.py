"""Progress events of long work, for the command line and log files.

Work calls :func:`emit`; a display installs a listener. Nothing is stored, and without a listener nothing happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

JOBS = "jobs"
"""Stage of the jobs finished in this process; the total is unknown because the flow is dynamic."""

SCF = "scf"
"""Stage of the SCF steps of one label; a second listener combines it with the number of the label in its batch."""

Listener = Callable[[str, int, int, str], None]
"""Takes the stage, the numbers of finished and of all units, and a detail."""

_listeners: list[Listener] = []


def emit(stage: str, done: int, total: int, detail: str = "") -> None:
    """Report that ``done`` of ``total`` units of a stage are finished."""
    for listener in _listeners:
        listener(stage, done, total, detail)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a listener at every :func:`emit` inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
