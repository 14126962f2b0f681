"""Failures of jobs: their record in the ledger, and transient errors of the machine around a job, which are retried."""

import contextlib
import errno
from collections.abc import Iterator

from interphase_flows.exceptions import InterphaseError, LeaseLostError, StorageUnavailableError
from interphase_flows.jobs.caching import is_recorded
from interphase_flows.storage.ledger import Ledger

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

MAX_EXPLANATION_LENGTH = 10_000
"""Characters; some drivers put an entire document into the message of an error."""


def is_transient(error: BaseException) -> bool:
    """Return whether the same job may succeed later or on another machine."""
    return any(
        isinstance(each, StorageUnavailableError | LeaseLostError)
        or (isinstance(each, OSError) and each.errno in TRANSIENT_ERRNOS)
        for each in _causes(error)
    )


def backoff_s(n_retries: int) -> float:
    """Return the wait before the next retry; it doubles with every retry."""
    return min(FIRST_WAIT_S * 2**n_retries, MAX_WAIT_S)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # `raise error from error` makes an error its own cause
        yield error
        seen.append(error)
        error = error.__cause__


def record_job_failure(ledger: Ledger, job_name: str, error: Exception) -> None:
    """Record why a job failed, unless the cached work inside it has recorded this error already.

    The record is a failure of kind ``jobs`` with the key ``<campaign>/<job name>``; ``tries`` counts repetitions.
    """
    if is_recorded(error):
        return
    # an unreachable database may be why the job failed: then only the log has the error
    with contextlib.suppress(InterphaseError):
        ledger.record_failure(
            "jobs",
            f"{ledger.campaign}/{job_name}",
            type(error).__name__,
            {"explanation": str(error)[:MAX_EXPLANATION_LENGTH]},
        )
