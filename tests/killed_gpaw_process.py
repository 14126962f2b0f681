"""Kill the GPAW process of a label when it has written a given output."""

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_INTERVAL_S = 0.005

Instant = Callable[[Path], bool]
"""Condition on the files in the label's folder."""


def at_start(folder: Path) -> bool:
    """Kill as soon as the process runs."""
    return True


def after_scf_step(n: int) -> Instant:
    """Kill when GPAW's log shows an SCF step."""

    def has_come(folder: Path) -> bool:
        try:
            return re.search(rf"^\|iter: *{n}\|", (folder / "gpaw.txt").read_text(), re.MULTILINE) is not None
        except OSError:
            return False

    return has_come


def density_kept(folder: Path) -> bool:
    """Return whether a density for a restart is kept."""
    return (folder / "density.gpw").exists()


def gpaw_process(folder: Path) -> int | None:
    """Return the id of the process that computes in a label's folder, or None."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, IndexError):
                continue
            if os.fsencode(folder) in arguments and state != "Z":
                return int(entry.name)
    return None


def wait_until(has_come: Callable[[], bool], alive: Callable[[], bool] = lambda: True) -> None:
    """Poll a condition while the process that it depends on is alive; the timeout of the test ends the wait."""
    never = threading.Event()
    while not has_come():
        assert alive(), "the process ended before the condition was met"
        never.wait(POLL_INTERVAL_S)


class Killer(threading.Thread):
    """Send SIGKILL to every attempt in a folder at a given instant, within the block.

    Parameters
    ----------
    folder
        Work folder of the label.
    instants
        One per attempt; later attempts are not killed.
    """

    def __init__(self, folder: Path, *instants: Instant) -> None:
        super().__init__(daemon=True)
        self._folder, self._instants = folder, instants
        self._over = threading.Event()
        self.killed: list[int] = []

    def run(self) -> None:
        for has_come in self._instants:
            while not self._over.wait(POLL_INTERVAL_S):
                pid = gpaw_process(self._folder)
                if pid is not None and pid not in self.killed and has_come(self._folder):
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)
                    break

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.join()
