"""Record the error of a failed job in the ledger."""

import contextlib

from interphase_flows.exceptions import InterphaseError
from interphase_flows.jobs.caching import is_recorded
from interphase_flows.storage.ledger import Ledger

MAX_EXPLANATION_LENGTH = 10_000
"""Characters; some drivers put an entire document into the message of an error."""


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
