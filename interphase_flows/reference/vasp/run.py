"""VASP under custodian: the job, its handlers, and an end before somebody else's."""

import ctypes
import math
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

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

from interphase_flows.reference.custodian_log import custodian_log
from interphase_flows.runtime.walltime import Deadline

MAX_ERRORS = 5
"""Corrections of one run (atomate2's number)."""

STOP_BEFORE_END_S = 120.0
"""VASP is asked to stop so long before the end, or three of its longest SCF steps before, if that is more."""

RESULTS = ("vasprun.xml", "OUTCAR", "OSZICAR", "CONTCAR")

PR_SET_PDEATHSIG = 1
STANDARD, GAMMA = "vasp_std", "vasp_gam"


class LabelJob(VaspJob):
    """One static calculation in its folder.

    Parameters
    ----------
    command
        How VASP is started.
    lock
        Descriptor of the folder's lock, inherited by VASP: nobody else calculates there while it lives.
    memory_limit_gb
        Address space of each process; no limit if None.
    """

    def __init__(self, command: list[str], lock: int, memory_limit_gb: float | None) -> None:
        super().__init__(command, auto_npar=False, auto_gamma=False, backup=True)
        self._lock, self._memory_limit_gb = lock, memory_limit_gb
        self._vasp_process: subprocess.Popen[bytes] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log shows."""
        return {"@module": type(self).__module__, "@class": type(self).__name__, "vasp_cmd": self.vasp_cmd}

    def run(self, directory: str = "./") -> subprocess.Popen[bytes]:
        """Start VASP in a session of its own, that ends with this process."""
        folder = Path(directory)
        for name in RESULTS:  # of the run that custodian did not leave at that: killed now, it has none
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
                preexec_fn=_before_vasp(self._memory_limit_gb),
            )
        return self._vasp_process

    @property
    def exit_status(self) -> int | None:
        """As `subprocess` returns it; None before the end."""
        return None if self._vasp_process is None else self._vasp_process.returncode


def _before_vasp(memory_limit_gb: float | None) -> Callable[[], None]:
    """Return what the new process does before it becomes VASP; the library is loaded before the fork."""
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        # a launcher that is told by SIGTERM ends its ranks; an orphan would write beside the next launch
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if memory_limit_gb is not None:
            limit = int(memory_limit_gb * 1e9)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    return prepare


class DeadlineHandler(WalltimeHandler):
    """custodian's handler of walltime, by this package's deadline: STOPCAR with LABORT after an SCF step.

    The parent reads OUTCAR with pymatgen, and does not stop a run whose OUTCAR it cannot read yet.
    """

    def __init__(self, end: Deadline, look: Callable[[], None]) -> None:
        # not the parent's: it would read limits from the environment, and leave its start there for the next run
        self.buffer_time, self.electronic_step_stop = STOP_BEFORE_END_S, True
        self._end, self._look, self.is_stopping = end, look, False

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log shows."""
        return {"@module": type(self).__module__, "@class": type(self).__name__, "set_by": self._end.set_by}

    def check(self, directory: str = "./") -> bool:
        """Tell whether to stop; once is enough."""
        self._look()
        if self.is_stopping or math.isinf(self._end.remaining_s):
            return False
        longest_s = max(
            (
                float(seconds)
                for seconds in re.findall(r"LOOP:.+real time\s+([\d.]+)", _text(directory, "OUTCAR"))
            ),
            default=0.0,
        )
        self.is_stopping = self._end.remaining_s < max(3 * longest_s, self.buffer_time)
        return self.is_stopping


def _text(directory: str | Path, name: str) -> str:
    try:
        return Path(directory, name).read_text(errors="replace")
    except OSError:
        return ""


def label_handlers() -> list[ErrorHandler]:
    """Return atomate2's handlers, but for those that can only change the level of theory; new ones, they count.

    Left out: LargeSigmaHandler, IncorrectSmearingHandler and KspacingMetalHandler (smearing and k-points are the
    campaign's), PotimErrorHandler (nothing moves), PositiveEnergyErrorHandler (a squeezed dimer's energy is positive).
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
    look: Callable[[], None] = lambda: None,
) -> tuple[bool, str | None]:
    """Run VASP, let custodian mend what it can, and stop in time.

    Parameters
    ----------
    job
        What is run.
    folder
        Where; the working directory is not changed.
    end
        VASP is asked to stop before.
    poll_interval_s
        Between two looks at the process; its files are looked at every tenth time.
    look
        Called then.

    Returns
    -------
    tuple
        Whether VASP was asked to stop because time was over; and why custodian gave up, or None.
    """
    deadline_handler = DeadlineHandler(end, look)
    custodian = Custodian(
        [*label_handlers(), deadline_handler],
        [job],
        validators=[VasprunXMLValidator(), VaspFilesValidator()],
        max_errors=MAX_ERRORS,
        polling_time_step=poll_interval_s,
        monitor_freq=10,
        skip_over_errors=True,  # a handler that trips over half-written output is no reason to lose a label
        directory=str(folder),
    )
    given_up = None
    try:
        with custodian_log(folder):
            custodian.run()
    except CustodianError as error:
        given_up = str(error)
    finally:
        if job.exit_status is None:  # Ctrl-C, or anything else that ends us: nobody is left behind
            job.terminate(str(folder))
    return deadline_handler.is_stopping, given_up


def would_be_corrected(folder: Path) -> bool:
    """Tell whether custodian would find fault with a run that has ended, and whose cycle has converged."""
    said = (VaspErrorHandler(), StdErrHandler())
    if VaspFilesValidator().check(str(folder)):
        return True
    if not all((folder / name).is_file() for name in ("INCAR", *(each.output_filename for each in said))):
        return True
    try:
        with custodian_log(folder):
            return any(each.check(str(folder)) for each in said)
    except Exception:  # noqa: BLE001 - a handler trips over what it reads, as it may: that is no clean end
        return True


def gamma_command(command: list[str]) -> list[str]:
    """Return the command of VASP's Gamma-only build, half the work for the same numbers, if it is installed."""
    *launcher, program = command
    if not program.endswith(STANDARD):
        return command
    gamma = program.removesuffix(STANDARD) + GAMMA
    return [*launcher, gamma] if shutil.which(gamma) else command


def failure_reason(folder: Path, exit_status: int | None, has_output: bool) -> str:
    """Return the word for a run without a label, by what VASP said and how it ended."""
    said = (_text(folder, "vasp.out")[-20000:] + _text(folder, "std_err.txt")[-20000:]).lower()
    if "no space left on device" in said or "disk quota exceeded" in said:
        return "disk_full"
    if re.search(
        r"out of memory|oom[-_ ]kill|insufficient virtual memory|cannot allocate memory|memoryerror", said
    ):
        return "out_of_memory"
    if exit_status in (-9, -15, 137, 143):
        return "killed"
    if exit_status == 0 and not has_output:
        return "garbage_output"
    return "reference_method_failed"  # VASP complained of something that custodian could not mend


def last_words(folder: Path) -> str:
    """Return the end of what a run said."""
    said = (_text(folder, "vasp.out") + _text(folder, "std_err.txt")).strip()
    return said[-500:] or "it said nothing"
