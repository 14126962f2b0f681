"""Detect a process that spins in failed memory allocations.

Under a limit of address space, OpenBLAS retries a failed allocation of its work space without end. Such a process neither
ends nor handles signals. Its size is constant, and it spends nearly all its processor time in the kernel.
"""

from dataclasses import dataclass, field
from pathlib import Path

N_SAMPLES = 15
"""Successive samples, seconds apart, over which the size has to be constant."""

KERNEL_TIME_FRACTION = 0.6
"""Fraction of processor time in the kernel above which it spins (0.87 observed; a few per cent in a computation)."""

MIN_TICKS = 100
"""Processor time in clock ticks that is needed for a decision: a waiting process does not spin."""


@dataclass
class AllocationStallDetector:
    """Samples one process."""

    pid: int
    _sizes: tuple[str, ...] = ()
    _ticks: list[tuple[int, int]] = field(default_factory=list)

    def is_stalled(self, proc: Path = Path("/proc")) -> bool:
        """Take a sample; return whether the process has spun in failed allocations over the last samples."""
        try:
            status = (proc / str(self.pid) / "status").read_text().splitlines()
            after_name = (proc / str(self.pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False  # it has ended, or there is no /proc
        sizes = tuple(line for line in status if line.startswith(("VmSize:", "VmRSS:")))
        user, kernel = int(after_name[11]), int(after_name[12])
        if sizes != self._sizes:
            self._sizes, self._ticks = sizes, []
        self._ticks.append((user, kernel))
        if len(self._ticks) <= N_SAMPLES:
            return False
        user_ticks, kernel_ticks = user - self._ticks[0][0], kernel - self._ticks[0][1]
        total = user_ticks + kernel_ticks
        return total >= MIN_TICKS and kernel_ticks >= KERNEL_TIME_FRACTION * total
