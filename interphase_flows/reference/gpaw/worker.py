"""One GPAW calculation in a process of its own: ``python -m interphase_flows.reference.gpaw.worker FOLDER``.

It reads ``input.json``, writes ``gpaw.txt`` and, at its end, ``result.json`` or ``failure.json``. While the SCF
runs it keeps its density and wave functions (GPAW starts from scratch without the latter) in ``density.gpw``,
now and then, at SIGTERM, and when its time is over; the next launch in the folder goes on from there. Every
process of an MPI run executes this module; the first one writes.
"""

import contextlib
import ctypes
import errno
import importlib
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from interphase_flows.reference.gpaw.files import (
    DAMAGED_DENSITY,
    DENSITY,
    FAILURE,
    LOG,
    PROCESS_LOCK,
    RESULT,
)
from interphase_flows.reference.gpaw.input import LabelInput
from interphase_flows.reference.label_files import commit, partial_path, write_json
from interphase_flows.runtime.file_locks import lock_within

PR_SET_PDEATHSIG = 1
LOOK_FOR_OWNER_EVERY_S = 1.0
LOCK_POLL_INTERVAL_S = 0.1
ORPHAN_MAY_TAKE_S = 120.0
"""For an orphan to finish its step and keep its density; then the next launch ends it."""

STEPS_KEPT_FOR_THE_END = 2.0
"""SCF steps, in units of the longest so far, that have to fit before the deadline for another one to begin."""

EXIT_STATUS_DISK_FULL = 28
"""Said by the exit status because on a full disk nothing else can be said."""


class _PutDownError(BaseException):
    """Time is over or the process was asked to end: the density is kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _ScfWatch:
    """Called by GPAW at every SCF step: keeps the density, and notices that time is over."""

    def __init__(self, calculator: Any, task: LabelInput, folder: Path) -> None:
        self.calculator, self.task, self.folder = calculator, task, folder
        self.world = calculator.comm
        self.energies_eV: list[float] = []
        self.is_asked_to_end = False
        self._kept_at = self._stepped_at = time.monotonic()
        self._longest_step_s = self._longest_write_s = 0.0

    def end(self, *_: Any) -> None:
        """Handle SIGTERM: the next step is the last."""
        self.is_asked_to_end = True

    def __call__(self, context: Any) -> None:
        """Look at the clock after a step."""
        from ase.units import Ha

        now = time.monotonic()
        self.energies_eV.append(float(context.energies.total_free) * Ha)
        self._longest_step_s = max(self._longest_step_s, now - self._stepped_at)
        self._stepped_at = now
        reason = self._agreed()
        is_last = (
            context.niter >= self.task.parameters["maxiter"]
        )  # converged or not: the next launch goes on
        if reason or is_last or now - self._kept_at >= self.task.density_interval_s:
            self._keep_density()
        if reason:
            raise _PutDownError(reason)

    def _agreed(self) -> str:
        """Return why to end, or nothing; all processes of an MPI run return the same."""
        code = 0
        if self.task.deadline_unix_s is not None:
            kept_s = STEPS_KEPT_FOR_THE_END * self._longest_step_s + self._longest_write_s
            code = int(time.time() + kept_s >= self.task.deadline_unix_s)
        if self.is_asked_to_end:
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
            # a density saves time, and a label without it is as good: only what the label needs is fatal
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            partial.unlink(missing_ok=True)
        self._kept_at = self._stepped_at = time.monotonic()
        self._longest_write_s = max(self._longest_write_s, self._kept_at - began)


def main(folder: Path) -> int:
    """Compute the label of a folder; return the exit status."""
    task = LabelInput.read(folder)
    with _only_one(folder):
        _die_with(task)
        try:
            _limit_memory(task.memory_limit_gb)
            return _calculate(task, folder)
        except BaseException as error:  # noqa: BLE001 - whatever it is, who started this is told
            return _fail(folder, error)


def _calculate(task: LabelInput, folder: Path) -> int:
    warnings.simplefilter("ignore")  # other packages' deprecations
    calculator, started_from_density = None, False
    if (folder / DENSITY).is_file():
        calculator = _from_density(task, folder)
        started_from_density = calculator is not None
    if calculator is None:
        from gpaw import GPAW

        calculator = GPAW(**task.parameters, txt=str(folder / LOG))
    watch = _ScfWatch(calculator, task, folder)
    signal.signal(signal.SIGTERM, watch.end)
    calculator.hooks["scf_step"] = watch
    atoms = task.atoms()
    try:
        for name in ("free_energy", "forces", "stress"):
            calculator.calculate_property(atoms, name)
    except BaseException as error:
        error.energies_eV = watch.energies_eV[-3:]  # type: ignore[attr-defined]
        raise
    results = calculator.results
    peak_memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    written = {
        "key": task.key,
        "is_scf_converged": True,  # GPAW raises KohnShamConvergenceError otherwise, and the loop was left
        "free_energy_eV": float(results["free_energy"]),
        "extrapolated_energy_eV": float(results["energy"]),
        "forces_eV_per_angstrom": np.asarray(results["forces"], dtype=float).tolist(),
        "stress_eV_per_angstrom3": np.asarray(results["stress"], dtype=float).tolist(),
        "n_scf_steps": int(calculator.get_number_of_iterations()),
        "n_k_points": len(calculator.get_ibz_k_points()),
        "n_electrons": float(calculator.get_number_of_electrons()),
        "n_bands": int(calculator.get_number_of_bands()),
        "peak_memory_gb": float(watch.world.sum_scalar(peak_memory_bytes)) / 1e9,
        "started_from_density": started_from_density,
    }
    if watch.world.rank == 0:
        write_json(folder / RESULT, written)
    return 0


def _from_density(task: LabelInput, folder: Path) -> Any:
    """Return GPAW with the density it kept, or None if that cannot be read: then it is set aside.

    The parameters in the file hold, but for the way to the ground state.
    """
    from gpaw import GPAW

    hooks = {name: _always(task.parameters[name]) for name in ("mixer", "maxiter")}
    try:
        calculator = GPAW(str(folder / DENSITY), txt=str(folder / LOG), object_hooks=hooks)
        is_of_these_atoms = not calculator.check_state(task.atoms())
    except Exception:  # noqa: BLE001 - a file cut short fails anywhere in its reader
        is_of_these_atoms = False
    if is_of_these_atoms:
        return calculator
    with contextlib.suppress(FileNotFoundError):  # another process of this run was faster
        os.replace(folder / DENSITY, folder / DAMAGED_DENSITY)
    return None


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda stored: value


def _fail(folder: Path, error: BaseException) -> int:
    """Write down why there is no label."""
    energies = getattr(error, "energies_eV", [])
    failure: dict[str, Any] = {"reason": _reason(error), "explanation": f"{type(error).__name__}: {error}"}
    failure["last_free_energies_eV"] = [energy for energy in energies if np.isfinite(energy)]
    failure["traceback"] = traceback.format_exc()[-4000:]
    with contextlib.suppress(OSError):  # the exit status says it as well
        write_json(folder / FAILURE, failure)
    return EXIT_STATUS_DISK_FULL if failure["reason"] == "disk_full" else 1


def _reason(error: BaseException | None) -> str:
    match error:
        case _PutDownError():
            return error.reason
        case MemoryError():
            return "out_of_memory"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return "disk_full"
        case OSError(errno=errno.ENOMEM):
            return "out_of_memory"
        case ImportError() if "failed to map segment" in str(error) or "annot allocate memory" in str(error):
            return "out_of_memory"
        case None:
            return "reference_method_failed"
    if type(error).__name__ in ("KohnShamConvergenceError", "TooFewBandsError"):
        return "scf_not_converged"
    if type(error).__name__ == "SymmetryAnalysisBug":
        return "symmetry_analysis_failed"
    if isinstance(error, np.linalg.LinAlgError):
        return "diagonalization_failed"
    return _reason(error.__cause__ or error.__context__)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder; wait for a process that is about to leave it (an orphan that keeps its density)."""
    if _mpi_rank() != 0:
        yield
        return
    with (folder / PROCESS_LOCK).open("a+") as lock:
        path = folder / PROCESS_LOCK
        if not lock_within(lock.fileno(), path, ORPHAN_MAY_TAKE_S, LOCK_POLL_INTERVAL_S):
            _kill_orphan(lock, folder)
            lock_within(lock.fileno(), path, float("inf"), LOCK_POLL_INTERVAL_S)
        lock.truncate(0)
        lock.write(f"{socket.gethostname()} {os.getpid()}")
        lock.flush()
        # an orphan's, written after who started this process had cleared the folder
        (folder / FAILURE).unlink(missing_ok=True)
        yield


def _kill_orphan(lock: IO[str], folder: Path) -> None:
    """End a process of this folder that nobody waits for any more; on another machine it can only be waited for."""
    lock.seek(0)
    host, _, pid = lock.read().partition(" ")
    if host != socket.gethostname() or not pid.isdigit():
        return
    with contextlib.suppress(OSError):
        said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if os.fsencode(folder) in said:  # and not another process that was given its number since
            os.kill(int(pid), signal.SIGKILL)


def _mpi_rank() -> int:
    """Rank before MPI is set up, from the launcher's environment."""
    names = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
    return next((int(os.environ[name]) for name in names if name in os.environ), 0)


def _limit_memory(limit_gb: float | None) -> None:
    if limit_gb is None:
        return
    _load_linear_algebra()
    limit = int(limit_gb * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _load_linear_algebra() -> None:
    """Let each OpenBLAS take its work space (up to 128 MB) now: refused it later, it asks again for ever and ever."""
    from gpaw.utilities.blas import mmm
    from scipy.linalg import solve_banded

    importlib.import_module(
        "gpaw.new.ase_interface"
    )  # and what it needs: half an import tells less than a number
    a, b = np.ones((256, 256)), np.ones((256, 256))
    mmm(1.0, a, "N", a, "N", 0.0, b)
    bands = np.ones((5, 256))
    bands[2] = 9.0
    solve_banded((2, 2), bands, np.ones(256))
    np.linalg.eigvalsh(a @ a)


def _die_with(task: LabelInput) -> None:
    """Do not outlive who started this: two processes would write to one folder after the next launch."""
    if socket.gethostname() != task.owner_host:
        return  # mpirun ends its processes on other machines
    # under a limit of memory compiled code may never return to where SIGTERM is noticed
    last_word = signal.SIGTERM if task.memory_limit_gb is None else signal.SIGKILL
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_word)

    def watch_owner() -> None:
        while Path(f"/proc/{task.owner_pid}").exists():
            time.sleep(LOOK_FOR_OWNER_EVERY_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch_owner, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
