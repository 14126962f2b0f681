"""Kill GPAW's process of a label at an instant named by what it has written."""

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

LOOK_EVERY_S = 0.005

Instant = Callable[[Path], bool]
"""Whether the moment has come, seen from the label's folder."""


def at_start(folder: Path) -> bool:
    """As soon as the process is there."""
    return True


def after_scf_step(n: int) -> Instant:
    """After GPAW's log shows a step of the SCF."""

    def has_come(folder: Path) -> bool:
        try:
            return re.search(rf"^\|iter: *{n}\|", (folder / "gpaw.txt").read_text(), re.MULTILINE) is not None
        except OSError:
            return False

    return has_come


def density_kept(folder: Path) -> bool:
    """When there is a density to go on from."""
    return (folder / "density.gpw").exists()


def gpaw_process(folder: Path) -> int | None:
    """Return the process that computes in a label's folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, IndexError):
                continue
            if os.fsencode(folder) in said and state != "Z":
                return int(entry.name)
    return None


def wait_until(has_come: Callable[[], bool], alive: Callable[[], bool] = lambda: True) -> None:
    """Look until the moment has come, as long as what it depends on is alive; the test's time limit ends it."""
    never = threading.Event()
    while not has_come():
        assert alive(), "it ended before the moment came"
        never.wait(LOOK_EVERY_S)


class Killer(threading.Thread):
    """While its block lasts, kill -9 every launch in a folder, each at its own instant.

    Parameters
    ----------
    folder
        Of the label.
    instants
        One per launch; launches after the last are left alone.
    """

    def __init__(self, folder: Path, *instants: Instant) -> None:
        super().__init__(daemon=True)
        self._folder, self._instants = folder, instants
        self._over = threading.Event()
        self.killed: list[int] = []

    def run(self) -> None:
        for has_come in self._instants:
            while not self._over.wait(LOOK_EVERY_S):
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
