"""Log of the jobs of a campaign, with tracebacks; worker processes append to the same file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interphase_flows.exceptions import StorageError
from interphase_flows.runtime.atomic_files import link_error

JOB_LOG = "jobs.log"

_LOGGERS = (logging.getLogger("interphase_flows.runners.local"), logging.getLogger("jobflow"))


class _JobLogHandler(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a log that cannot be written (a full disk), so as not to mask the error of a job."""


def log_jobs(path: Path) -> logging.Handler:
    """Write the log of the jobs of this process to a file, and return its handler.

    Raises
    ------
    StorageError
        The file cannot be written, or is a symbolic link.
    """
    if path.is_symlink():
        raise link_error(path)
    try:
        handler = _JobLogHandler(path, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}). Hint: free disk space or change root in the settings, "
            "then resume"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for each in _LOGGERS:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
        each.propagate = False
    return handler


@contextmanager
def job_log(path: Path) -> Iterator[None]:
    """Write the log of the jobs to a file within the block; see :func:`log_jobs`."""
    before = [(each.level, each.propagate) for each in _LOGGERS]
    handler = log_jobs(path)
    try:
        yield
    finally:
        for each, (level, propagate) in zip(_LOGGERS, before, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)
            each.propagate = propagate
        with suppress(OSError):  # flushing may meet the full disk again
            handler.close()
