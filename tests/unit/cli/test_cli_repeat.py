"""Repetition of cluster commands (`--every`)."""

import pytest

from interphase_flows.cli.cluster import repeat
from interphase_flows.exceptions import StorageError


def sequence(*results):
    """Return a function that returns or raises the results in turn, and the list of the remaining ones."""
    remaining = list(results)

    def run_once():
        result = remaining.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return run_once, remaining


def test_command_repeats_until_no_job_is_open():
    run_once, remaining = sequence(True, True, False, True)
    repeat(run_once, 0.0)
    assert remaining == [True]
    repeat(run_once, None)
    assert remaining == []


def test_unreachable_database_is_reported_and_retried(capsys):
    run_once, remaining = sequence(True, StorageError("no server reachable"), False)
    repeat(run_once, 0.0)
    assert remaining == []
    assert "no server reachable; retrying in 0 s" in capsys.readouterr().err


def test_error_of_a_repeated_command_is_printed_without_control_characters(capsys):
    run_once, _ = sequence(True, StorageError("job \x1b[2Jtrain\u202e"), False)
    repeat(run_once, 0.0)
    assert r"job \x1b[2Jtrain\u202e; retrying" in capsys.readouterr().err


def test_error_of_the_first_call_is_raised():
    """It is a mistake in the settings, which repeating does not fix."""
    run_once, _ = sequence(StorageError("no server reachable"), True)
    with pytest.raises(StorageError):
        repeat(run_once, 0.0)
