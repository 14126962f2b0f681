"""Walltime: the deadline at which this process checkpoints and stops, before Slurm or a limit kills it."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from interphase_flows.exceptions import SettingsError, WalltimeReachedError
from interphase_flows.settings import Settings

SLURM_VARIABLE = "SLURM_JOB_END_TIME"
"""Unix time of the end of a Slurm job; older versions of Slurm do not set it, and squeue is queried."""

JOB_VARIABLE = "SLURM_JOB_ID"
SQUEUE_TIMEOUT_S = 30.0
_TIME_LEFT = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")

MARGIN_S = 60.0
"""Reserved for writing the density and the ledger before the end."""

_IMPORTED_AT = time.time()

_counted_from: float | None = None
"""Unix time from which ``walltime_s`` counts; None for the start of this process."""

_stop_requests: list[str] = []
"""Reasons of the stop requests that this process has received."""


def request_stop(reason: str) -> None:
    """Bring every deadline of this process forward to now: work stops at its next checkpoint."""
    _stop_requests.append(reason)


def is_stop_requested() -> bool:
    """Return whether a stop of this process was requested."""
    return bool(_stop_requests)


@contextmanager
def stop_on_signals(reasons: Mapping[signal.Signals, str]) -> Iterator[list[signal.Signals]]:
    """Request a stop at these signals within the block, and yield the list of those received.

    A second SIGINT raises `KeyboardInterrupt`. Signals reach only the main thread; in another one, nothing changes.
    """
    received: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, _: FrameType | None) -> None:
        received.append(signal.Signals(number))
        if received.count(signal.SIGINT) > 1:
            raise KeyboardInterrupt
        request_stop(reasons[received[-1]])

    before = {number: signal.signal(number, stop) for number in reasons}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _stop_requests.clear()


@dataclass(frozen=True)
class Deadline:
    """A deadline in Unix time, and the setting that determines it; None means no deadline."""

    at_unix_s: float | None
    set_by: str = ""

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; infinite without one, at most zero after a stop request."""
        own_s = float("inf") if self.at_unix_s is None else self.at_unix_s - time.time()
        return min(own_s, 0.0) if self.stop_requested else own_s

    @property
    def stop_requested(self) -> bool:
        """Whether a stop was requested (child processes have not received it)."""
        return is_stop_requested()

    @property
    def ended_by(self) -> str:
        """The reason of the stop request, else the setting that determines the deadline."""
        return _stop_requests[0] if _stop_requests else self.set_by

    def check(self, what: str) -> None:
        """Raise `WalltimeReachedError` if there is no time left to begin ``what``."""
        if self.is_over:
            raise WalltimeReachedError(f"walltime reached ({self.ended_by}) before {what}. Hint: resume to continue")

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining_s <= 0


def deadline(settings: Settings) -> Deadline:
    """Return the deadline at which work must stop.

    ``walltime_s`` counts from the start of this process. If it is not set, the deadline is `MARGIN_S` before the end of
    the Slurm job, taken from its environment or from squeue.

    Raises
    ------
    SettingsError
        ``SLURM_JOB_END_TIME`` is not a number.
    """
    if settings.walltime_s is not None:
        return Deadline(process_start_unix_s() + settings.walltime_s, f"walltime_s: {settings.walltime_s:g}")
    if end := os.environ.get(SLURM_VARIABLE):
        try:
            return Deadline(float(end) - MARGIN_S, f"{SLURM_VARIABLE}: {end}")
        except ValueError:
            raise SettingsError(
                f"{SLURM_VARIABLE}={end}: not a Unix time. Hint: unset it, or set walltime_s in the settings"
            ) from None
    if job_id := os.environ.get(JOB_VARIABLE):
        end_unix_s = _slurm_job_end_unix_s(job_id)
        if end_unix_s is not None:
            return Deadline(end_unix_s - MARGIN_S, f"the walltime of Slurm job {job_id}")
    return Deadline(None)


@cache
def _slurm_job_end_unix_s(job_id: str) -> float | None:
    """Return the end of a job from squeue, or None if it has none or squeue does not respond; cached."""
    command = ["squeue", "--noheader", f"--jobs={job_id}", "--format=%L"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SQUEUE_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    left_s = seconds_left(done.stdout)
    return None if left_s is None else time.time() + left_s


def seconds_left(slurm_time: str) -> float | None:
    """Parse a time as Slurm prints it (``1:59``, ``2-03:04:05``); return None for ``UNLIMITED`` and others."""
    found = _TIME_LEFT.fullmatch(slurm_time.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((24 * days + hours) * 60 + minutes) * 60 + seconds)


def count_from(unix_s: float) -> None:
    """Let ``walltime_s`` count from a time: worker processes share the walltime of their parent."""
    global _counted_from
    _counted_from = unix_s


def process_start_unix_s() -> float:
    """Return the start time of this process, or of the import of this module where /proc is missing.

    In a worker process it is that of the parent process.
    """
    if _counted_from is not None:
        return _counted_from
    try:
        # the name in field 2 may contain blanks and brackets: count the fields after it
        after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        booted = next(
            int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return _IMPORTED_AT
    return booted + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
