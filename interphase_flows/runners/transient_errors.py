"""Errors that come and go with the machines around a job, and say nothing of the job."""

import errno
from collections.abc import Iterator

from interphase_flows.exceptions import LeaseLostError, StorageUnavailableError

MOST_TRIES = 8
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0

TRANSIENT = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.ENOTCONN,
    }
)
"""A full disk, a quota, a file server that is away."""


def is_of_the_machine(error: BaseException) -> bool:
    """Whether the same job may do well later, or elsewhere."""
    return any(
        isinstance(each, StorageUnavailableError | LeaseLostError)
        or (isinstance(each, OSError) and each.errno in TRANSIENT)
        for each in _chain(error)
    )


def wait_s(n_tries: int) -> float:
    """Return how long to wait before the next try; it doubles with every one."""
    return min(FIRST_WAIT_S * 2**n_tries, LONGEST_WAIT_S)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
