"""Fencing: stop writing when another process holds the lease of the work.

A caller that leases work installs a check (:func:`fenced`); writers of checkpoints and results call it first
(:func:`before_write`). Without an installed check, writing is always allowed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("interphase_fence", default=None)


@contextmanager
def fenced(check: Callable[[], None]) -> Iterator[None]:
    """Call ``check``, which raises if this process must not write any more, before every write inside the block."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def before_write() -> None:
    """Return if this process may write; raises `LeaseLostError` if another process has taken over the work."""
    check = _check.get()
    if check is not None:
        check()
