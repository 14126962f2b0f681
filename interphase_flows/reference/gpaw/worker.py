"""GPAW worker, one calculation in a separate process: ``python -m interphase_flows.reference.gpaw.worker FOLDER``.

Reads ``input.json``, writes ``gpaw.txt`` and, at its end, ``result.json`` or ``failure.json``. During the SCF cycle it
keeps the density and wave functions (which GPAW needs for a restart) in ``density.gpw``: at intervals, at SIGTERM, and
before the deadline. The next worker in the folder restarts from there. In an MPI run, every process executes this
module and the first one writes.
"""

import contextlib
import ctypes
import errno
import importlib
import math
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from interphase_flows.reference.gpaw.input import (
    DAMAGED_DENSITY,
    DENSITY,
    FAILURE,
    LOG,
    RESULT,
    WORKER_LOCK,
    LabelInput,
    WorkerFailure,
    WorkerResult,
)
from interphase_flows.reference.gpaw.outcome import EXIT_STATUS_DISK_FULL
from interphase_flows.reference.label_folder import DISK_FULL_ERRORS, commit, partial_path, write_json
from interphase_flows.runtime.checked_json import write_checked
from interphase_flows.runtime.file_locks import lock_within
from interphase_flows.runtime.peak_memory import peak_memory_bytes

PR_SET_PDEATHSIG = 1
OWNER_CHECK_INTERVAL_S = 1.0
ORPHAN_GRACE_S = 120.0
"""Time for an orphaned worker to finish its SCF step and keep its density; then the next worker kills it."""

RESERVED_STEPS = 2.0
"""Time kept free before the deadline, in units of the longest SCF step so far."""


class _StoppedError(BaseException):
    """The worker stops at the deadline or at SIGTERM, with its density kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _ScfMonitor:
    """Hook that GPAW calls after every SCF step: keeps the density and stops at the deadline."""

    def __init__(self, calculator: Any, task: LabelInput, folder: Path) -> None:
        self.calculator, self.task, self.folder = calculator, task, folder
        self.world = calculator.comm
        self.energies_eV: list[float] = []
        self.is_interrupted = False
        self._kept_at = self._stepped_at = time.monotonic()
        self._longest_step_s = self._longest_write_s = 0.0

    def interrupt(self, *_: Any) -> None:
        """Handle SIGTERM: stop after the current step."""
        self.is_interrupted = True

    def __call__(self, context: Any) -> None:
        """Record the energy of a step; keep the density if it is due; stop if time is over."""
        from ase.units import Ha

        now = time.monotonic()
        self.energies_eV.append(float(context.energies.total_free) * Ha)
        self._longest_step_s = max(self._longest_step_s, now - self._stepped_at)
        self._stepped_at = now
        reason = self._stop_reason()
        is_last = context.niter >= self.task.parameters["maxiter"]  # a retry restarts from this density
        if reason or is_last or now - self._kept_at >= self.task.density_interval_s:
            self._keep_density()
        if reason:
            raise _StoppedError(reason)

    def _stop_reason(self) -> str:
        """Return why to stop, or an empty string; the same in all processes of an MPI run."""
        code = 0
        if self.task.deadline_unix_s is not None:
            reserved_s = RESERVED_STEPS * self._longest_step_s + self._longest_write_s
            code = int(time.time() + reserved_s >= self.task.deadline_unix_s)
        if self.is_interrupted:
            code = 2
        return ("", "walltime", "interrupted")[int(self.world.max_scalar(code))]

    def _keep_density(self) -> None:
        began = time.monotonic()
        partial = partial_path(self.folder / DENSITY)
        try:
            self.calculator.write(str(partial), mode="all")
            if self.world.rank == 0:
                commit(self.folder / DENSITY)
        except OSError as error:
            # the label does not need the density: continue without it on a full disk
            if error.errno not in DISK_FULL_ERRORS:
                raise
            partial.unlink(missing_ok=True)
        self._kept_at = self._stepped_at = time.monotonic()
        self._longest_write_s = max(self._longest_write_s, self._kept_at - began)


def main(folder: Path) -> int:
    """Compute the label of a folder; return the exit status."""
    task = LabelInput.read(folder)
    with _exclusive(folder):
        _end_with_owner(task)
        try:
            _limit_memory(task.memory_limit_gb)
            return _calculate(task, folder)
        except BaseException as error:  # noqa: BLE001 - every error is reported in the failure file
            return _write_failure(folder, error)


def _calculate(task: LabelInput, folder: Path) -> int:
    warnings.simplefilter("ignore")  # third-party deprecations
    from gpaw import GPAW

    restarted = _restart(task, folder) if (folder / DENSITY).is_file() else None
    calculator = restarted if restarted is not None else GPAW(**task.parameters, txt=str(folder / LOG))
    monitor = _ScfMonitor(calculator, task, folder)
    signal.signal(signal.SIGTERM, monitor.interrupt)
    calculator.hooks["scf_step"] = monitor
    atoms = task.atoms()
    try:
        for name in ("free_energy", "forces", "stress"):
            calculator.calculate_property(atoms, name)
    except BaseException as error:
        error.energies_eV = monitor.energies_eV[-3:]  # type: ignore[attr-defined]
        raise
    results = calculator.results
    result = WorkerResult(
        key=task.key,
        is_scf_converged=True,  # GPAW raises KohnShamConvergenceError otherwise
        free_energy_eV=results["free_energy"],
        extrapolated_energy_eV=results["energy"],
        forces_eV_per_angstrom=np.asarray(results["forces"], dtype=float).tolist(),
        stress_eV_per_angstrom3=np.asarray(results["stress"], dtype=float).tolist(),
        n_scf_steps=calculator.get_number_of_iterations(),
        n_k_points=len(calculator.get_ibz_k_points()),
        n_electrons=calculator.get_number_of_electrons(),
        n_bands=calculator.get_number_of_bands(),
        peak_memory_gb=monitor.world.sum_scalar(peak_memory_bytes()) / 1e9,
        started_from_density=restarted is not None,
    )
    if monitor.world.rank == 0:
        write_checked(folder / RESULT, result)
    return 0


def _restart(task: LabelInput, folder: Path) -> Any:
    """Return GPAW with the kept density, or None if it is unreadable or of other atoms; it is then renamed.

    The parameters in the file apply, except those of the path to the ground state.
    """
    from gpaw import GPAW

    hooks = {"mixer": lambda _: task.parameters["mixer"], "maxiter": lambda _: task.parameters["maxiter"]}
    try:
        calculator = GPAW(str(folder / DENSITY), txt=str(folder / LOG), object_hooks=hooks)
        is_same_structure = not calculator.check_state(task.atoms())
    except Exception:  # noqa: BLE001 - a truncated file fails anywhere in its reader
        is_same_structure = False
    if is_same_structure:
        return calculator
    with contextlib.suppress(FileNotFoundError):  # another process of this run has renamed it
        os.replace(folder / DENSITY, folder / DAMAGED_DENSITY)
    return None


def _write_failure(folder: Path, error: BaseException) -> int:
    """Write the reason of a failure; return the exit status."""
    energies = getattr(error, "energies_eV", [])
    failure = WorkerFailure(
        reason=_reason(error),
        explanation=f"{type(error).__name__}: {error}",
        last_free_energies_eV=[energy for energy in energies if np.isfinite(energy)],
        traceback=traceback.format_exc()[-4000:],
    )
    with contextlib.suppress(OSError):  # a full disk: the exit status reports it
        write_json(folder / FAILURE, failure.model_dump())
    return EXIT_STATUS_DISK_FULL if failure.reason == "disk_full" else 1


def _reason(error: BaseException | None) -> str:
    match error:
        case None:
            return "reference_method_failed"
        case _StoppedError():
            return error.reason
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return "out_of_memory"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return "disk_full"
        case ImportError() if "failed to map segment" in str(error) or "annot allocate memory" in str(error):
            return "out_of_memory"
        case np.linalg.LinAlgError():
            return "diagonalization_failed"
    match type(error).__name__:
        case "KohnShamConvergenceError" | "TooFewBandsError":
            return "scf_not_converged"
        case "SymmetryAnalysisBug":
            return "symmetry_analysis_failed"
    return _reason(error.__cause__ or error.__context__)


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock the folder; wait for an orphaned worker that is about to stop, and kill it if it does not."""
    if _mpi_rank() != 0:
        yield
        return
    path = folder / WORKER_LOCK
    with path.open("a+") as lock:
        if not lock_within(lock.fileno(), path, ORPHAN_GRACE_S):
            _kill_orphan(lock, folder)
            lock_within(lock.fileno(), path, math.inf)
        lock.truncate(0)
        lock.write(f"{socket.gethostname()} {os.getpid()}")
        lock.flush()
        # the orphan's, written after the folder was cleared for this worker
        (folder / FAILURE).unlink(missing_ok=True)
        yield


def _kill_orphan(lock: IO[str], folder: Path) -> None:
    """Kill the worker that holds the lock if it runs on this machine."""
    lock.seek(0)
    host, _, pid = lock.read().partition(" ")
    if host != socket.gethostname() or not pid.isdigit():
        return
    with contextlib.suppress(OSError):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if os.fsencode(folder) in arguments:  # the process id has not been reused
            os.kill(int(pid), signal.SIGKILL)


def _mpi_rank() -> int:
    """Return the rank from the launcher's environment; MPI is not initialised yet."""
    names = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
    return next((int(os.environ[name]) for name in names if name in os.environ), 0)


def _limit_memory(limit_gb: float | None) -> None:
    if limit_gb is None:
        return
    _allocate_blas_buffers()
    limit = int(limit_gb * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _allocate_blas_buffers() -> None:
    """Let OpenBLAS allocate its work space (up to 128 MB) before the limit: it retries failed allocations forever."""
    from gpaw.utilities.blas import mmm
    from scipy.linalg import solve_banded

    # an import that fails halfway for lack of memory has no clear error: import before the limit
    importlib.import_module("gpaw.new.ase_interface")
    a, b = np.ones((256, 256)), np.ones((256, 256))
    mmm(1.0, a, "N", a, "N", 0.0, b)
    bands = np.ones((5, 256))
    bands[2] = 9.0
    solve_banded((2, 2), bands, np.ones(256))
    np.linalg.eigvalsh(a @ a)


def _end_with_owner(task: LabelInput) -> None:
    """Stop when the process that started this one ends: the next attempt would write to the same folder."""
    if socket.gethostname() != task.owner_host:
        return  # mpirun ends its processes on other machines
    # under a memory limit, compiled code may never return to Python, where SIGTERM is handled
    parent_death_signal = signal.SIGTERM if task.memory_limit_gb is None else signal.SIGKILL
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, parent_death_signal)

    def watch_owner() -> None:
        while Path(f"/proc/{task.owner_pid}").exists():
            time.sleep(OWNER_CHECK_INTERVAL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch_owner, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
