"""What comes and goes with the machine is told from what is wrong with a job or its settings."""

import errno

import pytest

from interphase_flows.exceptions import (
    DocumentTooLargeError,
    LeaseLostError,
    ServerUnavailableError,
    StorageError,
    TrainingError,
)
from interphase_flows.runners.transient_errors import LONGEST_WAIT_S, is_of_the_machine, wait_s


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "comes_and_goes"),
    [
        (ServerUnavailableError("no server answers"), True),
        (LeaseLostError("taken over"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (caused(StorageError("could not be written"), OSError(errno.ENOSPC, "full")), True),
        (caused(StorageError("kept in a file"), ServerUnavailableError("no server answers")), True),
        (StorageError("user or password are wrong"), False),
        (DocumentTooLargeError("2 MB"), False),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (caused(StorageError("could not be written"), OSError(errno.EACCES, "denied")), False),
        (TrainingError("not finite"), False),
        (ValueError("broken"), False),
    ],
)
def test_errors_are_told_apart(error, comes_and_goes):
    assert is_of_the_machine(error) == comes_and_goes


def test_the_wait_doubles_up_to_a_limit():
    waits = [wait_s(n) for n in range(10)]
    assert waits[1] == 2 * waits[0]
    assert waits[-1] == LONGEST_WAIT_S
