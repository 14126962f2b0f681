"""The line of a traceback that names the exception."""

import traceback

import pytest

from interphase_flows.exceptions import DiskFullError, TrainingError
from interphase_flows.runners.fireworks.recovery import exception_line


def traceback_of(error: Exception, cause: Exception | None = None) -> str:
    try:
        raise error from cause
    except type(error):
        return traceback.format_exc()


def test_notes_and_further_lines_of_the_message_are_left_out():
    """Cached work adds a note to the errors that it records."""
    error = TrainingError("only one member was trained:\n  member 0: killed\nHint: resume")
    error.add_note("recorded as the failure of committees 0123")
    line = "interphase_flows.exceptions.TrainingError: only one member was trained:"
    assert exception_line(traceback_of(error)) == line


def test_the_exception_and_not_its_cause_is_named():
    trace = traceback_of(DiskFullError("ledger.sqlite: full"), OSError(28, "No space left on device"))
    assert exception_line(trace) == "interphase_flows.exceptions.DiskFullError: ledger.sqlite: full"


@pytest.mark.parametrize(("trace", "line"), [("", ""), ("KeyError: 1\n\n", "KeyError: 1")])
def test_text_without_frames_gives_its_last_line(trace, line):
    assert exception_line(trace) == line
