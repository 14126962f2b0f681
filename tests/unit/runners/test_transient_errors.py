"""Transient errors of a machine, as opposed to errors of a job or of the settings."""

import errno

import pytest

from interphase_flows.exceptions import (
    DocumentTooLargeError,
    LeaseLostError,
    ServerUnavailableError,
    StorageError,
    TrainingError,
)
from interphase_flows.runners.job_failures import MAX_WAIT_S, backoff_s, is_transient


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServerUnavailableError("no server reachable"), True),
        (LeaseLostError("taken over"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (caused(StorageError("could not be written"), OSError(errno.ENOSPC, "full")), True),
        (caused(StorageError("kept in a file"), ServerUnavailableError("no server reachable")), True),
        (StorageError("user or password are wrong"), False),
        (DocumentTooLargeError("2 MB"), False),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (caused(StorageError("could not be written"), OSError(errno.EACCES, "denied")), False),
        (TrainingError("not finite"), False),
        (ValueError("broken"), False),
    ],
)
def test_transient_errors_are_recognised_by_type_errno_and_cause(error, expected):
    assert is_transient(error) == expected


def test_error_that_is_its_own_cause_is_classified():
    """As after `raise error from error`."""
    error = OSError(errno.EBADF, "Bad file descriptor")
    error.__cause__ = error
    assert not is_transient(error)


def test_backoff_doubles_up_to_a_limit():
    waits = [backoff_s(n) for n in range(10)]
    assert waits[1] == 2 * waits[0]
    assert waits[-1] == MAX_WAIT_S
