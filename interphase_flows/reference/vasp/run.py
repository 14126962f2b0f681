"""Run VASP under custodian and stop it cleanly before the walltime."""

import ctypes
import logging
import math
import re
import resource
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from custodian.custodian import Custodian, CustodianError, ErrorHandler
from custodian.vasp.handlers import (
    FrozenJobErrorHandler,
    MeshSymmetryErrorHandler,
    NonConvergingErrorHandler,
    StdErrHandler,
    UnconvergedErrorHandler,
    VaspErrorHandler,
    WalltimeHandler,
)
from custodian.vasp.jobs import VaspJob
from custodian.vasp.validators import VaspFilesValidator, VasprunXMLValidator

from interphase_flows.runtime.walltime import Deadline

MAX_ERRORS = 5
"""Largest number of corrections in one run (atomate2's default)."""

STOP_BEFORE_END_S = 120.0
"""VASP is stopped this long before the deadline, or three of its longest SCF steps if that is more."""

RESULTS = ("vasprun.xml", "OUTCAR", "OSZICAR", "CONTCAR")
CUSTODIAN_LOG = "custodian.log"

PR_SET_PDEATHSIG = 1
STANDARD, GAMMA = "vasp_std", "vasp_gam"


class LabelJob(VaspJob):
    """One static calculation in its folder, with a limit of address space for each process.

    VASP inherits the file descriptor of the folder's lock, so that the folder stays locked while VASP lives.
    """

    def __init__(self, command: list[str], lock: int, memory_limit_gb: float | None) -> None:
        super().__init__(command, auto_npar=False, auto_gamma=False, backup=True)
        self._lock, self._memory_limit_gb = lock, memory_limit_gb
        self._vasp_process: subprocess.Popen[bytes] | None = None

    def as_dict(self) -> dict[str, str | list[str]]:
        """Return the entry in custodian's record."""
        return {"@module": type(self).__module__, "@class": type(self).__name__, "vasp_cmd": self.vasp_cmd}

    def run(self, directory: str = "./") -> subprocess.Popen[bytes]:
        """Start VASP in its own session; it is terminated when this process ends."""
        folder = Path(directory)
        for name in RESULTS:  # of the run before a correction: a kill now must not leave them
            (folder / name).unlink(missing_ok=True)
        with (folder / self.output_file).open("wb") as out, (folder / self.stderr_file).open("wb") as errors:
            self._vasp_process = subprocess.Popen(
                list(self.vasp_cmd),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                pass_fds=(self._lock,),
                preexec_fn=_process_setup(self._memory_limit_gb),
            )
        return self._vasp_process

    @property
    def exit_status(self) -> int | None:
        """Exit status as in `subprocess`; None while VASP runs."""
        return None if self._vasp_process is None else self._vasp_process.returncode


def _process_setup(memory_limit_gb: float | None) -> Callable[[], None]:
    """Return the function to call between fork and exec; libc is loaded before the fork."""
    prctl = ctypes.CDLL(None).prctl

    def setup() -> None:
        # at SIGTERM, an MPI launcher ends its ranks; orphans would write to the folder of the next attempt
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if memory_limit_gb is not None:
            limit = int(memory_limit_gb * 1e9)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    return setup


class DeadlineHandler(WalltimeHandler):
    """Stop VASP after an SCF step (STOPCAR with LABORT) before this package's deadline.

    The parent class reads OUTCAR with pymatgen and does not stop a run whose OUTCAR is still incomplete.
    """

    def __init__(self, end: Deadline, report_progress: Callable[[], None]) -> None:
        # not the parent's: it reads limits from the environment, and writes its start time there
        self.buffer_time, self.electronic_step_stop = STOP_BEFORE_END_S, True
        self._end, self._report_progress, self.is_stopping = end, report_progress, False

    def as_dict(self) -> dict[str, str]:
        """Return the entry in custodian's record."""
        return {"@module": type(self).__module__, "@class": type(self).__name__, "set_by": self._end.set_by}

    def check(self, directory: str = "./") -> bool:
        """Report progress; return whether to stop VASP now (True once)."""
        self._report_progress()
        if self.is_stopping or math.isinf(self._end.remaining_s):
            return False
        step_times = re.findall(r"LOOP:.+real time\s+([\d.]+)", _text(directory, "OUTCAR"))
        longest_s = max((float(seconds) for seconds in step_times), default=0.0)
        self.is_stopping = self._end.remaining_s < max(3 * longest_s, self.buffer_time)
        return self.is_stopping


def label_handlers() -> list[ErrorHandler]:
    """Return new instances of atomate2's handlers, without those that can only change the level of theory.

    Left out: LargeSigmaHandler, IncorrectSmearingHandler and KspacingMetalHandler (the campaign sets smearing and
    k-points), PotimErrorHandler (no atom moves), PositiveEnergyErrorHandler (a compressed dimer has a positive energy).
    """
    return [
        VaspErrorHandler(),
        MeshSymmetryErrorHandler(),
        UnconvergedErrorHandler(),
        NonConvergingErrorHandler(),
        FrozenJobErrorHandler(),
        StdErrHandler(),
    ]


def run_under_custodian(
    job: LabelJob,
    folder: Path,
    end: Deadline,
    poll_interval_s: float,
    report_progress: Callable[[], None] = lambda: None,
) -> tuple[bool, str | None]:
    """Run VASP with custodian's corrections and stop it before the deadline; the working directory does not change.

    The process is checked at intervals; its files are checked, and progress is reported, every tenth time. Returns
    whether VASP was stopped because of the deadline, and why custodian gave up, or None.
    """
    deadline_handler = DeadlineHandler(end, report_progress)
    custodian = Custodian(
        [*label_handlers(), deadline_handler],
        [job],
        validators=[VasprunXMLValidator(), VaspFilesValidator()],
        max_errors=MAX_ERRORS,
        polling_time_step=poll_interval_s,
        monitor_freq=10,
        skip_over_errors=True,  # a handler that fails on incomplete output must not cost the label
        directory=str(folder),
    )
    error_message = None
    try:
        with custodian_log(folder):
            custodian.run()
    except CustodianError as error:
        error_message = str(error)
    finally:
        if job.exit_status is None:  # Ctrl-C or another exception
            job.terminate(str(folder))
    return deadline_handler.is_stopping, error_message


@contextmanager
def custodian_log(folder: Path) -> Iterator[None]:
    """Redirect custodian's log to ``custodian.log`` in a folder and silence its warnings."""
    logger = logging.getLogger("custodian")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    handler = logging.FileHandler(folder / CUSTODIAN_LOG, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk is reported elsewhere
    # custodian's handlers use separate loggers, which without a root handler print by the last resort
    last_resort, logging.lastResort = logging.lastResort, None
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="custodian|pymatgen|monty")
            yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
        logging.lastResort = last_resort
        handler.close()


def needs_correction(folder: Path) -> bool:
    """Return whether custodian would correct a run that has ended and converged."""
    handlers = (VaspErrorHandler(), StdErrHandler())
    if VaspFilesValidator().check(str(folder)):
        return True
    if not all((folder / name).is_file() for name in ("INCAR", *(handler.output_filename for handler in handlers))):
        return True
    try:
        with custodian_log(folder):
            return any(handler.check(str(folder)) for handler in handlers)
    except Exception:  # noqa: BLE001 - a handler that fails on the output: not a clean end
        return True


def gamma_command(command: list[str]) -> list[str]:
    """Return the command of VASP's Gamma-only build (same numbers, half the work) if it is installed."""
    *launcher, program = command
    if not program.endswith(STANDARD):
        return command
    gamma = program.removesuffix(STANDARD) + GAMMA
    return [*launcher, gamma] if shutil.which(gamma) else command


def failure_reason(folder: Path, exit_status: int | None, has_output: bool) -> str:
    """Return the reason of a run without a label, from its printed output and exit status."""
    output = (_text(folder, "vasp.out")[-20000:] + _text(folder, "std_err.txt")[-20000:]).lower()
    if "no space left on device" in output or "disk quota exceeded" in output:
        return "disk_full"
    if re.search(r"out of memory|oom[-_ ]kill|insufficient virtual memory|cannot allocate memory|memoryerror", output):
        return "out_of_memory"
    if exit_status in (-9, -15, 137, 143):
        return "killed"
    if exit_status == 0 and not has_output:
        return "garbage_output"
    return "reference_method_failed"  # an error of VASP that custodian could not correct


def output_tail(folder: Path) -> str:
    """Return the end of VASP's printed output."""
    output = (_text(folder, "vasp.out") + _text(folder, "std_err.txt")).strip()
    return output[-500:] or "no output"


def _text(directory: str | Path, name: str) -> str:
    try:
        return Path(directory, name).read_text(errors="replace")
    except OSError:
        return ""
