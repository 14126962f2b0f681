"""Detection of a process that spins in failed allocations."""

import os

from interphase_flows.reference.gpaw.launch import N_SAMPLES, AllocationStallDetector

PID = 4711


def samples(tmp_path, ticks, sizes=None):
    folder = tmp_path / str(PID)
    folder.mkdir()
    detector = AllocationStallDetector(PID)
    for i, (user, kernel) in enumerate(ticks):
        size = 500_000 if sizes is None else sizes[i]
        (folder / "status").write_text(f"Name:\tpython\nVmSize:\t{size} kB\nVmRSS:\t120000 kB\n")
        rest = ["R", *["0"] * 10, str(user), str(kernel), "0"]
        (folder / "stat").write_text(f"{PID} (py (thon) {' '.join(rest)}")
        yield detector.is_stalled(tmp_path)


def test_constant_size_with_most_time_in_the_kernel_is_a_stall(tmp_path):
    """OpenBLAS was observed to spend 87 per cent of its time in mmap."""
    found = list(samples(tmp_path, [(13 * n, 87 * n) for n in range(N_SAMPLES + 1)]))
    assert found == [False] * N_SAMPLES + [True]


def test_long_computation_is_not_a_stall(tmp_path):
    assert not any(samples(tmp_path, [(97 * n, 3 * n) for n in range(3 * N_SAMPLES)]))


def test_waiting_process_is_not_a_stall(tmp_path):
    assert not any(samples(tmp_path, [(0, n // 10) for n in range(3 * N_SAMPLES)]))


def test_growing_process_is_not_a_stall(tmp_path):
    ticks = [(13 * n, 87 * n) for n in range(2 * N_SAMPLES)]
    assert not any(samples(tmp_path, ticks, sizes=[500_000 + n // 5 for n in range(2 * N_SAMPLES)]))


def test_ended_process_is_not_a_stall(tmp_path):
    assert not AllocationStallDetector(PID).is_stalled(tmp_path)


def test_real_proc_files_are_readable():
    assert not AllocationStallDetector(os.getpid()).is_stalled()
