"""A job that fails before its work has a key leaves its reason in the ledger, too."""

import contextlib
import logging
import re
import sys

from interphase_flows.exceptions import InterphaseError, WalltimeReachedError
from interphase_flows.jobs.caching import is_on_record
from interphase_flows.storage.ledger import Ledger

# how jobflow's local manager tells that a job failed; it does so while the exception is being handled
_FAILED = re.compile(r"(.+?) failed with exception:\n", re.DOTALL)

_LONGEST = 10_000
"""Characters of an explanation; a driver may put a whole document into its error."""


def record_job_failure(ledger: Ledger, record: logging.LogRecord) -> None:
    """Write down what a line of jobflow's log says of a job that failed, unless its work did that already.

    The failure is of the kind ``jobs``, with the campaign and the job's name as its key: a job that fails again
    counts its ``tries`` up.

    Parameters
    ----------
    ledger
        Of the campaign.
    record
        A line of the log; most are of no failure.
    """
    error = sys.exc_info()[1]
    found = _FAILED.match(record.getMessage())
    if error is None or found is None or is_on_record(error) or isinstance(error, WalltimeReachedError):
        return
    # a database that does not answer may be why the job failed: the log then has it alone
    with contextlib.suppress(InterphaseError):
        ledger.record_failure(
            "jobs",
            f"{ledger.campaign}/{found[1]}",
            type(error).__name__,
            {"explanation": str(error)[:_LONGEST]},
        )
