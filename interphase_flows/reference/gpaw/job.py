"""GPAW under custodian: the job that launches it, and handlers that apply a policy of retries."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from custodian.custodian import Custodian, CustodianError, ErrorHandler, Job

from interphase_flows.reference.custodian_log import custodian_log
from interphase_flows.reference.gpaw.attempts import (
    Launches,
    Outcome,
    kernel_kills,
    read_outcome,
    rotate_log,
)
from interphase_flows.reference.gpaw.files import DENSITY, FAILURE, OUTPUT, RESULT
from interphase_flows.reference.gpaw.input import LabelInput
from interphase_flows.reference.gpaw.oom_watchdog import MemoryStall
from interphase_flows.reference.retry_policy import Policy
from interphase_flows.runtime.walltime import Deadline

POLL_EVERY_S = 0.1
LOOK_EVERY_N_POLLS = 20
OVERDUE_S = 30.0
"""After the deadline, GPAW is ended from here if it has not ended itself."""

SECONDS_TO_END = 20.0
"""Between SIGTERM, at which GPAW keeps its density after the step it is in, and SIGKILL."""

MODULE = "interphase_flows.reference.gpaw.worker"

CANNOT_START = (126, 127)
"""Exit status of a shell or launcher that found no program, or one that it may not run."""
MISSING_PACKAGE = re.compile(r"No module named '?(interphase_flows|gpaw)\b")


class GpawJob(Job):
    """Launches of one label in its folder.

    Parameters
    ----------
    task
        What to compute.
    launches
        What was tried before; kept up to date.
    command
        How Python is started with GPAW; this Python if None.
    n_threads
        Threads of the linear algebra of one process.
    end
        When the work has to be put down; GPAW knows it too, unless this process is told to end before.
    """

    def __init__(
        self, task: LabelInput, launches: Launches, command: str | None, n_threads: int, end: Deadline
    ) -> None:
        self.task, self.launches, self._end = task, launches, end
        self._parameters = task.parameters
        self._command = [sys.executable] if command is None else shlex.split(command)
        self._n_threads = n_threads
        self._process: subprocess.Popen[bytes] | None = None
        self._kills_before: int | None = None
        self._outcome: Outcome | None = None
        self._stall: MemoryStall | None = None
        self._is_asked_to_end = False

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log shows."""
        return {"@module": type(self).__module__, "@class": type(self).__name__, "command": self._command}

    def setup(self, directory: str = "./") -> None:
        """Do nothing: every launch prepares itself."""

    def run(self, directory: str = "./") -> subprocess.Popen[bytes]:
        """Start GPAW."""
        folder = Path(directory)
        for name in (RESULT, FAILURE):
            (folder / name).unlink(missing_ok=True)
        rotate_log(folder, self.launches.n_launches)
        self.launches.n_launches += 1
        self.launches.write(folder)
        self.task = replace(self.task, parameters=self.launches.next_parameters(self._parameters))
        self.task.write(folder)
        self._outcome, self._kills_before, self._is_asked_to_end = None, kernel_kills(), False
        with (folder / OUTPUT).open("wb") as output:
            # a session of its own: Ctrl-C in the terminal is answered here, by asking GPAW to keep its density
            self._process = subprocess.Popen(
                [*self._command, "-m", MODULE, str(folder)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(self._n_threads),
                start_new_session=True,
            )
        self._stall = None if self.task.memory_limit_gb is None else MemoryStall(self._process.pid)
        return self._process

    def outcome(self, directory: str | Path) -> Outcome:
        """Return how the last launch ended: if it was killed when time was over, it is put down and not retried."""
        if self._outcome is None:
            status = None if self._process is None else self._process.returncode
            now = kernel_kills()
            kills = None if now is None or self._kills_before is None else now - self._kills_before
            self._outcome = read_outcome(Path(directory), self.task, status, kills)
            if self._outcome.reason == "killed" and self._end.is_over:
                self._outcome = replace(self._outcome, reason="walltime")
        return self._outcome

    def why_it_cannot_start(self, outcome: Outcome | None = None) -> str | None:
        """Return what is wrong with the command, before it is run or by how it ended; None if it is well."""
        told = shlex.join(self._command)
        if shutil.which(self._command[0]) is None:
            return f"`{told}`: there is no program {self._command[0]!r}"
        if outcome is None or outcome.result is not None or self._process is None:
            return None
        if self._process.returncode in CANNOT_START or MISSING_PACKAGE.search(outcome.explanation):
            return f"`{told}` could not be started: {outcome.explanation}"
        return None

    @property
    def is_running(self) -> bool:
        """Whether GPAW is at work."""
        return self._process is not None and self._process.poll() is None

    def end_if_it_only_asks_for_memory(self) -> None:
        """Kill a process that a limit of memory has brought to a standstill; it cannot say so itself."""
        if self._process is None or self._stall is None or not self._stall.look():
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._outcome = Outcome(
            "out_of_memory",
            f"memory_limit_gb = {self.task.memory_limit_gb:g} GB was used up and GPAW asked for more without end; "
            "raise it, or spread the label over processes by gpaw_command",
        )

    def end_when_time_is_over(self, directory: str = "./") -> None:
        """End GPAW if it has not ended itself in time; ask it to, once, if only this process was told to end."""
        if self._process is None:
            return
        if self._end.remaining_s < -OVERDUE_S:
            self.terminate(directory)
        elif self._end.stop_requested and not self._is_asked_to_end:
            self._is_asked_to_end = True
            self._process.send_signal(signal.SIGTERM)

    def postprocess(self, directory: str = "./") -> None:
        """Do nothing: the result is read by who asked for it."""

    def terminate(self, directory: str = "./") -> None:
        """Ask GPAW to keep its density and end; insist after a while."""
        if self._process is None or not self.is_running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _environment(n_threads: int) -> dict[str, str]:
    """Return this process's environment, but for its own rank under srun: GPAW would take it for one of its own run."""
    ours = {name: value for name, value in os.environ.items() if name != "SLURM_PROCID"}
    return ours | {"OMP_NUM_THREADS": str(n_threads)}


class RetryHandler(ErrorHandler):
    """Answers one reason by the policy's actions, one after the other."""

    is_monitor = False
    is_terminating = False
    raises_runtime_error = False  # giving up is told by the outcome, not by custodian's exception

    def __init__(self, job: GpawJob, policy: Policy, reason: str) -> None:
        self._job, self._policy, self.reason = job, policy, reason

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log shows."""
        return {"@module": type(self).__module__, "@class": type(self).__name__, "reason": self.reason}

    def check(self, directory: str = "./") -> bool:
        """Whether the launch ended for this reason."""
        return self._job.outcome(directory).reason == self.reason

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Return the errors and the actions; None for the actions gives up."""
        action = self._job.launches.answer(type(self).__name__, self._policy, self.reason)
        if action is not None and action.start == "scratch":
            # gone before the action is on record: a density that is found later is one of the new way
            (Path(directory) / DENSITY).unlink(missing_ok=True)
        self._job.launches.write(Path(directory))
        return {"errors": [self.reason], "actions": None if action is None else [action.name]}


class Lookout(ErrorHandler):
    """Looks on while GPAW runs; ends it if it does not end itself in time."""

    is_monitor = True
    is_terminating = True

    def __init__(self, job: GpawJob, look: Callable[[], None]) -> None:
        self._job, self._look = job, look

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log shows."""
        return {"@module": type(self).__module__, "@class": type(self).__name__}

    def check(self, directory: str = "./") -> bool:
        """Let who listens know; end GPAW when time is over."""
        if self._job.is_running:
            self._look()
            self._job.end_if_it_only_asks_for_memory()
            self._job.end_when_time_is_over(directory)
        return False

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Do nothing: check never finds an error."""
        return {"errors": [], "actions": None}


def run_under_custodian(
    job: GpawJob,
    folder: Path,
    policy: Policy,
    look: Callable[[], None] = lambda: None,
) -> Outcome:
    """Launch GPAW, again and again as the policy says, and return how the last launch ended.

    Parameters
    ----------
    job
        What is launched.
    folder
        Everything is written there, custodian's log too; the working directory is not changed.
    policy
        Reason to actions.
    look
        Called now and then while GPAW runs.
    """
    handlers = [Lookout(job, look), *(RetryHandler(job, policy, reason) for reason in policy)]
    custodian = Custodian(
        handlers,
        [job],
        max_errors=1 + sum(len(actions) for actions in policy.values()),
        polling_time_step=POLL_EVERY_S,
        monitor_freq=LOOK_EVERY_N_POLLS,
        terminate_on_nonzero_returncode=False,  # the outcome is read from files
        directory=str(folder),
    )
    try:
        with custodian_log(folder), contextlib.suppress(CustodianError):
            custodian.run()
    finally:
        job.terminate(str(folder))  # Ctrl-C, or anything else that ends us: nobody is left behind
    return job.outcome(folder)
