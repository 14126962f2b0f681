"""Outcome of a GPAW worker, read from the files it left, or from its exit status if it left none."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from interphase_flows.reference.gpaw.input import (
    FAILURE,
    OUTPUT,
    RESULT,
    LabelInput,
    WorkerFailure,
    WorkerResult,
)
from interphase_flows.reference.label_folder import disk_full_message, log_tail
from interphase_flows.runtime.checked_json import read_checked

EXIT_STATUS_DISK_FULL = 28
"""Exit status of a worker that could not write its failure on a full disk."""

FAILED_ALLOCATION_STATUS = {-6: "SIGABRT", 134: "SIGABRT", -11: "SIGSEGV", 139: "SIGSEGV"}
"""End of compiled code when memory is denied: exit status in `subprocess`, and from an MPI launcher."""


@dataclass(frozen=True)
class WorkerOutcome:
    """Outcome of a worker; ``reason`` is None for a result and ``walltime`` if it was stopped at the deadline."""

    reason: str | None
    explanation: str = ""
    result: WorkerResult | None = None


def read_outcome(
    folder: Path, task: LabelInput, exit_status: int | None, n_kernel_kills: int | None = None
) -> WorkerOutcome:
    """Return the outcome of a worker with an exit status as of `subprocess`.

    ``n_kernel_kills`` is the number of processes that the OOM killer ended meanwhile; None if unknown.
    """
    if (folder / RESULT).exists():
        return _read_result(folder, task)
    if (folder / FAILURE).exists():
        try:
            failure = WorkerFailure.model_validate_json((folder / FAILURE).read_bytes())
        except ValidationError as error:
            return WorkerOutcome("garbage_output", f"{FAILURE} cannot be read: {_first_error(error)}")
        reason = "killed" if failure.reason == "interrupted" else failure.reason
        return WorkerOutcome(reason, _explanation(failure, task))
    return _from_exit_status(folder, task, exit_status, n_kernel_kills)


def _read_result(folder: Path, task: LabelInput) -> WorkerOutcome:
    result = read_checked(folder / RESULT, WorkerResult)
    if result is None:
        return WorkerOutcome("garbage_output", f"{RESULT} cannot be read: it is incomplete or fails its checksum")
    if result.key != task.key:
        return WorkerOutcome("garbage_output", f"{RESULT} belongs to another calculation")
    forces, stress = result.forces_eV_per_angstrom, result.stress_eV_per_angstrom3
    if len(forces) != len(task.numbers) or any(len(row) != 3 for row in forces) or len(stress) != 6:
        return WorkerOutcome(
            "garbage_output",
            f"{RESULT}: {len(forces)} forces and {len(stress)} components of stress for {len(task.numbers)} atoms",
        )
    return WorkerOutcome(None, result=result)


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _explanation(failure: WorkerFailure, task: LabelInput) -> str:
    if failure.reason == "out_of_memory" and task.memory_limit_gb is not None:
        return f"more than {memory_limit(task)} of address space was needed. {MEMORY_HINT}"
    if failure.reason != "scf_not_converged":
        return failure.explanation
    energies = failure.last_free_energies_eV
    change = f"{abs(energies[-1] - energies[-2]):.2e} eV" if len(energies) > 1 else "unknown"
    return f"SCF not converged in {task.parameters['maxiter']} steps; last change of the energy: {change}"


MEMORY_HINT = "Hint: raise memory_limit_gb, or use several processes per label (gpaw_command)"


def memory_limit(task: LabelInput) -> str:
    """Return the limit of a worker's memory as the settings write it."""
    return f"memory_limit_gb = {task.memory_limit_gb:g} GB"


def _from_exit_status(
    folder: Path, task: LabelInput, exit_status: int | None, n_kernel_kills: int | None
) -> WorkerOutcome:
    output = log_tail(folder / OUTPUT)
    match exit_status:
        case 0:
            return WorkerOutcome("garbage_output", f"GPAW ended without {RESULT} and without {FAILURE}: {output}")
        case code if code == EXIT_STATUS_DISK_FULL:
            return WorkerOutcome("disk_full", disk_full_message(folder))
        case -9 | 137 if n_kernel_kills:
            return WorkerOutcome("out_of_memory", "the kernel's OOM killer ended GPAW: this machine's memory is full")
        case -9 | -15 | 137 | 143:
            return WorkerOutcome("killed", f"GPAW was killed (exit status {exit_status})")
        case code if task.memory_limit_gb is not None and code in FAILED_ALLOCATION_STATUS:
            return WorkerOutcome(
                "out_of_memory",
                f"GPAW ended with {FAILED_ALLOCATION_STATUS[code]} under {memory_limit(task)}: {output}",
            )
    if "MemoryError" in output:
        return WorkerOutcome("out_of_memory", f"GPAW had too little memory to start: {output}")
    return WorkerOutcome("reference_method_failed", f"GPAW ended with exit status {exit_status}: {output}")


def n_kernel_kills() -> int | None:
    """Return how many processes the kernel's OOM killer has ended since boot; None if /proc/vmstat has no count."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
