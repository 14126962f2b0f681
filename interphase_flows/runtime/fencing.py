"""May this process still write?  Work that others may have taken over meanwhile is put down before it does harm.

Whoever gives out work says how to ask (:func:`fenced`); writers of checkpoints and results ask (:func:`before_write`).
Where nobody else can be at the same work, nothing is asked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_question: ContextVar[Callable[[], None] | None] = ContextVar("interphase_fence", default=None)


@contextmanager
def fenced(ask: Callable[[], None]) -> Iterator[None]:
    """Ask something before every write inside the block.

    Parameters
    ----------
    ask
        Raises if this process must not write any more.
    """
    token = _question.set(ask)
    try:
        yield
    finally:
        _question.reset(token)


def before_write() -> None:
    """Return if this process may write.

    Raises
    ------
    LeaseLostError
        Another process has taken the work over.
    """
    ask = _question.get()
    if ask is not None:
        ask()
