"""A process that only asks for memory is told from one that computes."""

import os

from interphase_flows.reference.gpaw.oom_watchdog import N_LOOKS, MemoryStall

PID = 4711


def looks(tmp_path, ticks, sizes=None):
    folder = tmp_path / str(PID)
    folder.mkdir()
    stall = MemoryStall(PID)
    for look, (user, system) in enumerate(ticks):
        size = 500_000 if sizes is None else sizes[look]
        (folder / "status").write_text(f"Name:\tpython\nVmSize:\t{size} kB\nVmRSS:\t120000 kB\n")
        rest = ["R", *["0"] * 10, str(user), str(system), "0"]
        (folder / "stat").write_text(f"{PID} (py (thon) {' '.join(rest)}")
        yield stall.look(tmp_path)


def test_a_process_whose_time_goes_to_the_system_while_its_size_stays_is_asking_for_memory(tmp_path):
    """As OpenBLAS was seen to: 87 per cent of its time in mmap."""
    found = list(looks(tmp_path, [(13 * n, 87 * n) for n in range(N_LOOKS + 1)]))
    assert found == [False] * N_LOOKS + [True]


def test_a_process_that_computes_is_left_alone(tmp_path):
    """However long a step takes."""
    assert not any(looks(tmp_path, [(97 * n, 3 * n) for n in range(3 * N_LOOKS)]))


def test_a_process_that_waits_is_left_alone(tmp_path):
    """For a disk, or for its share of a busy machine."""
    assert not any(looks(tmp_path, [(0, n // 10) for n in range(3 * N_LOOKS)]))


def test_a_process_that_is_given_memory_is_left_alone(tmp_path):
    """It gets on."""
    ticks = [(13 * n, 87 * n) for n in range(2 * N_LOOKS)]
    assert not any(looks(tmp_path, ticks, sizes=[500_000 + n // 5 for n in range(2 * N_LOOKS)]))


def test_a_process_that_has_ended_is_no_stall(tmp_path):
    """Its exit status tells."""
    assert not MemoryStall(PID).look(tmp_path)


def test_this_process_can_be_looked_at():
    """The fields of the real system are where they are read."""
    assert not MemoryStall(os.getpid()).look()
