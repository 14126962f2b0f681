"""Run one GPAW worker: start it, watch its memory and the deadline, and return its outcome."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.command import split_command
from interphase_flows.reference.gpaw.input import FAILURE, LOG, OUTPUT, RESULT, LabelInput
from interphase_flows.reference.gpaw.outcome import (
    MEMORY_HINT,
    WorkerOutcome,
    memory_limit,
    n_kernel_kills,
    read_outcome,
)
from interphase_flows.runtime.walltime import Deadline

WATCH_INTERVAL_S = 2.0
OVERDUE_S = 30.0
"""A worker that has not stopped this long after the deadline is terminated."""

TERMINATION_GRACE_S = 20.0
"""Time between SIGTERM, at which the worker keeps its density after the current SCF step, and SIGKILL."""

WORKER_MODULE = "interphase_flows.reference.gpaw.worker"

CANNOT_START = (126, 127)
"""Exit status of a shell or launcher if the program is missing or not executable."""
MISSING_PACKAGE = re.compile(r"No module named '?(interphase_flows|gpaw)\b")

COMMAND_HINT = "Hint: set it to a Python that has GPAW, for example `mpirun -np 4 gpaw python`"

CHECK_TIMEOUT_S = 120.0
CHECK = """
import sys, gpaw
from gpaw.setup_data import SetupData
for symbol in sys.argv[1:]:
    try:
        SetupData(symbol, "PBE")
    except FileNotFoundError:
        sys.exit(f"no PBE setup of {symbol}, as of `gpaw install-data`")
print(gpaw.__version__)
"""
"""Program that imports GPAW and reads the setups of elements."""

N_SAMPLES = 15
"""Successive samples, seconds apart, over which the size has to be constant."""

KERNEL_TIME_FRACTION = 0.6
"""Fraction of processor time in the kernel above which it spins (0.87 observed; a few per cent in a computation)."""

MIN_TICKS = 100
"""Processor time in clock ticks that is needed for a decision: a waiting process does not spin."""


@dataclass
class AllocationStallDetector:
    """Detect a process that is stalled in failed memory allocations.

    With a limit on the address space, OpenBLAS retries a failed allocation of its work space indefinitely. Such a process
    neither ends nor handles signals. Its size is constant, and nearly all its processor time is spent in the kernel.
    """

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


def check_command(gpaw_command: str | None, elements: Sequence[str] = (), starts_programs: bool = True) -> str:
    """Start Python in the same way as a label does, import GPAW and read setups; return the version and the command.

    Without ``starts_programs``, a command of the settings is only looked up: it may start MPI, which a login node
    forbids. After the time limit, all processes of the command are killed.

    Raises
    ------
    SettingsError
        The command does not start a Python with GPAW and the setups of these elements.
    """
    command = _command(gpaw_command)
    if gpaw_command is not None and not starts_programs:
        return f"`{shlex.join(_found(command))}`; it was not run"
    try:
        # in another folder, as a label: relative paths in the command do not work
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [*command, "-c", CHECK, *elements],
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            with process:
                try:
                    output, errors = process.communicate(timeout=CHECK_TIMEOUT_S)
                except BaseException:  # Ctrl-C included, which does not reach another session
                    _kill(process)
                    raise
    except FileNotFoundError:
        raise _command_error(command, f"there is no program {command[0]!r}") from None
    except PermissionError:
        raise _command_error(command, f"{command[0]!r} is not executable") from None
    except subprocess.TimeoutExpired:
        raise _command_error(command, f"did not import GPAW within {CHECK_TIMEOUT_S:.0f} s") from None
    printed = output.split()
    if process.returncode or not printed:
        last = (errors.strip() or f"exit code {process.returncode}, no version printed").splitlines()[-1]
        raise _command_error(command, last)
    of_elements = f"; setups of {', '.join(elements)}" if elements else ""
    return f"GPAW {printed[-1]} by `{shlex.join(command)}`{of_elements}"  # a launcher may print before


def _command(gpaw_command: str | None) -> list[str]:
    return [sys.executable] if gpaw_command is None else split_command(gpaw_command, "gpaw_command", COMMAND_HINT)


def _found(command: list[str]) -> list[str]:
    """Return a command if its program exists on this machine; raise a SettingsError otherwise."""
    if shutil.which(command[0]) is None:
        raise _command_error(command, f"there is no program {command[0]!r}")
    return command


def _command_error(command: Sequence[str], problem: str) -> SettingsError:
    return SettingsError(f"gpaw_command: `{shlex.join(command)}`: {problem}. {COMMAND_HINT}")


def _environment() -> dict[str, str]:
    # under srun, GPAW would take this process's rank for its own
    inherited = {name: value for name, value in os.environ.items() if name != "SLURM_PROCID"}
    return inherited | {"PYTHONSAFEPATH": "1"}  # files in the working folder are no modules


@dataclass(frozen=True)
class GpawLauncher:
    """Launches GPAW workers in one label's folder, by the command of a Python with GPAW (this Python if None).

    ``end`` is the deadline of this process. The worker receives its time, but not a stop signal sent to this process.
    """

    folder: Path
    command: str | None
    n_threads: int
    end: Deadline

    def run(self, task: LabelInput, report_progress: Callable[[], None] = lambda: None) -> WorkerOutcome:
        """Run a worker to its end; progress is reported every few seconds.

        Raises
        ------
        SettingsError
            The command does not start a Python with GPAW.
        """
        command = _found(_command(self.command))
        task.write(self.folder)
        kills_before = n_kernel_kills()
        process = self._start(command)
        try:
            is_stalled = self._wait(process, task, report_progress)
        finally:
            _terminate(process)  # after an exception, Ctrl-C included
        if is_stalled:
            return WorkerOutcome(
                "out_of_memory",
                f"GPAW stalled in failed allocations under {memory_limit(task)}. {MEMORY_HINT}",
            )
        kills = n_kernel_kills()
        new_kills = None if kills is None or kills_before is None else kills - kills_before
        outcome = read_outcome(self.folder, task, process.returncode, new_kills)
        if outcome.result is None and (
            process.returncode in CANNOT_START or MISSING_PACKAGE.search(outcome.explanation)
        ):
            raise _command_error(command, f"could not be started: {outcome.explanation}")
        if outcome.reason == "killed" and self.end.is_over:
            return replace(outcome, reason="walltime")
        return outcome

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.folder / OUTPUT).open("wb") as output:
            # own session: Ctrl-C in the terminal reaches this process only, which then stops the worker
            return subprocess.Popen(
                [*command, "-m", WORKER_MODULE, str(self.folder)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment() | {"OMP_NUM_THREADS": str(self.n_threads)},
                start_new_session=True,
            )

    def _wait(self, process: subprocess.Popen[bytes], task: LabelInput, report_progress: Callable[[], None]) -> bool:
        """Wait for the end of a worker; return whether it was killed because it stalled in failed allocations."""
        detector = None if task.memory_limit_gb is None else AllocationStallDetector(process.pid)
        is_signalled = False
        while True:
            try:
                process.wait(WATCH_INTERVAL_S)
                return False
            except subprocess.TimeoutExpired:
                report_progress()
            if detector is not None and detector.is_stalled():
                _kill(process)
                return True
            if self.end.remaining_s < -OVERDUE_S:
                _terminate(process)
            elif self.end.stop_requested and not is_signalled:
                process.send_signal(signal.SIGTERM)
                is_signalled = True


def rotate_files(folder: Path, n_attempts: int) -> None:
    """Remove the result of an earlier attempt and keep its log under its number; GPAW overwrites the log."""
    for name in (RESULT, FAILURE):
        (folder / name).unlink(missing_ok=True)
    if n_attempts and (folder / LOG).exists():
        os.replace(folder / LOG, folder / f"gpaw.attempt{n_attempts}.txt")


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(TERMINATION_GRACE_S)
    except subprocess.TimeoutExpired:
        _kill(process)


def _kill(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
