"""The largest resident memory that this process has had."""

import re
import resource
import sys
from pathlib import Path


def peak_memory_bytes() -> float:
    """Return the peak resident memory of the program that runs now.

    ``getrusage`` alone would be wrong on Linux: its maximum survives ``exec``, so that a small program reports the memory
    of the large one that started it.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        status = ""
    if found := re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE):
        return 1024.0 * int(found[1])
    unit_bytes = 1.0 if sys.platform == "darwin" else 1024.0
    return unit_bytes * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
