"""Peak memory of a process."""

import subprocess
import sys

import numpy as np

from interphase_flows.runtime.peak_memory import peak_memory_bytes

PROGRAM = "from interphase_flows.runtime.peak_memory import peak_memory_bytes; print(peak_memory_bytes())"


def test_a_large_array_counts_after_it_is_freed() -> None:
    before = peak_memory_bytes()
    array = np.ones(int(before / 8) + 10_000_000)
    size = array.nbytes
    del array
    assert size < peak_memory_bytes() < 2 * before + size


def test_a_program_does_not_count_the_memory_of_the_process_that_started_it() -> None:
    large = (
        "import subprocess, sys; a = bytearray(b'1' * 600_000_000); "
        f"print(subprocess.run([sys.executable, '-c', {PROGRAM!r}], capture_output=True, text=True, check=True).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", large], capture_output=True, text=True, check=True)
    assert 5e6 < float(done.stdout) < 3e8
