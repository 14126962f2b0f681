"""When this process has to end, by its own decision before somebody else's."""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from interphase_flows.exceptions import SettingsError, WalltimeReachedError
from interphase_flows.settings import Settings

SLURM_VARIABLE = "SLURM_JOB_END_TIME"
"""Unix time of the end of a Slurm job; newer versions of Slurm set it, older ones are asked."""

JOB_VARIABLE = "SLURM_JOB_ID"
SLURM_ANSWERS_WITHIN_S = 30.0
_TIME_LEFT = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")

MARGIN_S = 60.0
"""Kept for writing the density and the ledger before the end."""

_IMPORTED_AT = time.time()

_told_to_end: list[str] = []
"""Who told this process to end, by a signal."""


def end_soon(told_by: str) -> None:
    """Bring every deadline of this process forward to now: work is put down at its next checkpoint."""
    _told_to_end.append(told_by)


@dataclass(frozen=True)
class Deadline:
    """An end in Unix time, and who sets it; no end if None."""

    at_unix_s: float | None
    set_by: str = ""

    @property
    def remaining_s(self) -> float:
        """Seconds until the end; infinite if there is none, none or less if this process was told to end."""
        own_s = float("inf") if self.at_unix_s is None else self.at_unix_s - time.time()
        return min(own_s, 0.0) if self.is_told else own_s

    @property
    def is_told(self) -> bool:
        """Whether this process was told to end, which those that it started do not know."""
        return bool(_told_to_end)

    @property
    def ended_by(self) -> str:
        """Who ends the work: who told this process to, else who set the end."""
        return _told_to_end[0] if _told_to_end else self.set_by

    def check(self, what: str) -> None:
        """Raise if there is no time left to begin something.

        Raises
        ------
        WalltimeReachedError
            There is none.
        """
        if self.remaining_s <= 0:
            raise WalltimeReachedError(f"walltime reached ({self.ended_by}) before {what}; a resume goes on")

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return self.remaining_s <= 0


def deadline(settings: Settings) -> Deadline:
    """Return when work has to be put down.

    ``walltime_s`` counts from the start of this process; if it is not set, a Slurm job ends `MARGIN_S` before
    Slurm would end it, which its environment says or its queue is asked.

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
                f"{SLURM_VARIABLE}={end}: not a Unix time; unset it, or set walltime_s in the settings"
            ) from None
    if job_id := os.environ.get(JOB_VARIABLE):
        asked = _asked_end_unix_s(job_id)
        if asked is not None:
            return Deadline(asked - MARGIN_S, f"the walltime of Slurm's job {job_id}")
    return Deadline(None)


@cache
def _asked_end_unix_s(job_id: str) -> float | None:
    """Return the end of a job as Slurm tells it, None if there is none or it does not answer; asked once."""
    command = ["squeue", "--noheader", f"--jobs={job_id}", "--format=%L"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SLURM_ANSWERS_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    left_s = seconds_left(done.stdout)
    return None if left_s is None else time.time() + left_s


def seconds_left(told: str) -> float | None:
    """Return the seconds of a time as Slurm writes it (``1:59``, ``2-03:04:05``); None of ``UNLIMITED`` and others."""
    found = _TIME_LEFT.fullmatch(told.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((24 * days + hours) * 60 + minutes) * 60 + seconds)


def process_start_unix_s() -> float:
    """Return when this process began, or when this module was loaded where the system does not tell."""
    try:
        # the name in field 2 may hold blanks and brackets: count from behind it
        after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        booted = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return _IMPORTED_AT
    return booted + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
