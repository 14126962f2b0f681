"""Transient errors: failures of the machine around a job (a full disk, a server that is away), and how to retry them."""

import errno
from collections.abc import Iterator

from interphase_flows.exceptions import LeaseLostError, StorageUnavailableError

MAX_RETRIES = 8
FIRST_WAIT_S = 2.0
MAX_WAIT_S = 60.0

TRANSIENT_ERRNOS = frozenset(
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
"""A full disk, an exceeded quota, a file server that is away."""


def is_transient(error: BaseException) -> bool:
    """Whether the same job may succeed later or on another machine."""
    return any(
        isinstance(each, StorageUnavailableError | LeaseLostError)
        or (isinstance(each, OSError) and each.errno in TRANSIENT_ERRNOS)
        for each in _causes(error)
    )


def backoff_s(n_retries: int) -> float:
    """Return the wait before the next retry; it doubles with every retry."""
    return min(FIRST_WAIT_S * 2**n_retries, MAX_WAIT_S)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
