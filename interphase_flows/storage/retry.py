"""Wait for a database server that restarts, within a limit.

pymongo repeats a write by itself only in a replica set.  Who calls :func:`patiently` does what may be done twice, and
has it repeated on any server while the connection comes and goes.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import AutoReconnect

__all__ = ["has_answered", "patiently"]

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0

_answered: set[str] = set()

_Answer = TypeVar("_Answer")


def has_answered(server: str) -> bool:
    """Whether this server ever answered this process."""
    return server in _answered


def patiently(operation: Callable[[], _Answer], server: str, patience_s: float) -> _Answer:
    """Do something, again if the connection was lost, for a while.

    Parameters
    ----------
    operation
        Asks the server; doing it twice must be as good as once.
    server
        Its name; one that never answered this process is a mistake in the settings, not one that restarts, and is not
        waited for.
    patience_s
        How long to go on.

    Raises
    ------
    pymongo.errors.AutoReconnect
        The server does not come back.
    """
    end = time.monotonic() + patience_s
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            answer = operation()
        except AutoReconnect:
            if not has_answered(server) or time.monotonic() + wait_s > end:
                raise
        else:
            _answered.add(server)
            return answer
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
