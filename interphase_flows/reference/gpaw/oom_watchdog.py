"""A process that asks for memory for ever: OpenBLAS does, instead of failing, when a limit refuses it its work space.

Such a process neither ends nor notices signals. It is known by its size, which stays what it is, while nearly all
its time is spent in the system, asking.
"""

from dataclasses import dataclass, field
from pathlib import Path

N_LOOKS = 15
"""Looks in a row, seconds apart, at which nothing has changed."""

SYSTEM_SHARE = 0.6
"""Of the processor time in between; a calculation that computes has a few per cent (0.87 was seen asking)."""

MIN_TICKS = 100
"""Processor time, in clock ticks, below which nothing is said: a process that waits is no process that asks."""


@dataclass
class MemoryStall:
    """Looks at one process now and then.

    Parameters
    ----------
    pid
        Of the process.
    """

    pid: int
    _sizes: tuple[str, ...] = ()
    _ticks: list[tuple[int, int]] = field(default_factory=list)

    def look(self, proc: Path = Path("/proc")) -> bool:
        """Return whether the process has asked for memory, and done nothing else, for some time."""
        try:
            status = (proc / str(self.pid) / "status").read_text().splitlines()
            after_name = (proc / str(self.pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False  # it has ended, or this system does not tell
        sizes = tuple(line for line in status if line.startswith(("VmSize:", "VmRSS:")))
        user, system = int(after_name[11]), int(after_name[12])
        if sizes != self._sizes:
            self._sizes, self._ticks = sizes, []
        self._ticks.append((user, system))
        if len(self._ticks) <= N_LOOKS:
            return False
        in_user, in_system = user - self._ticks[0][0], system - self._ticks[0][1]
        total = in_user + in_system
        return total >= MIN_TICKS and in_system >= SYSTEM_SHARE * total
