"""What long work says of itself while it runs.

Work calls :func:`emit`; whoever shows progress (the command line, a log) listens.  Nothing is
stored, and with no listener nothing happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

JOBS = "jobs"
"""Stage of the jobs that were finished in this process; how many there will be, nobody knows."""

SCF = "scf"
"""Stage of one label's SCF steps; a listener beside it knows which label of how many, and tells both as one."""

Listener = Callable[[str, int, int, str], None]

_listeners: list[Listener] = []


def emit(stage: str, done: int, total: int, detail: str = "") -> None:
    """Tell the listeners that ``done`` of ``total`` units of a stage are finished."""
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
