"""The launches of one label: what was tried, what came out, and what the next launch is told.

Kept in ``launches.json`` in the label's folder, so that a label that was put down goes on where its retries were.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interphase_flows.reference.gpaw.files import (
    DENSITY,
    FAILURE,
    INPUT,
    LAUNCHES,
    LOG,
    OUTPUT,
    RESULT,
)
from interphase_flows.reference.gpaw.input import LabelInput
from interphase_flows.reference.gpaw.worker import EXIT_STATUS_DISK_FULL
from interphase_flows.reference.label_files import PARTIAL_PREFIX, write_json
from interphase_flows.reference.retry_policy import Action, Policy, correction, next_action
from interphase_flows.schemas.label import Correction

OUTPUT_TAIL_CHARACTERS = 1500
ENDS_OF_AN_ALLOCATION = {-6: "SIGABRT", 134: "SIGABRT", -11: "SIGSEGV", 139: "SIGSEGV"}
"""How compiled code ends that was refused memory, as `subprocess` tells it and as a launcher of MPI does."""


RECORDED = (
    "n_scf_steps",
    "n_k_points",
    "n_electrons",
    "n_bands",
    "peak_memory_gb",
    "started_from_density",
)
"""What a result tells besides the label, for its details."""


@dataclass(frozen=True)
class Outcome:
    """How a launch ended; ``reason`` is None for a label, ``walltime`` if it was put down."""

    reason: str | None
    explanation: str = ""
    result: Mapping[str, Any] | None = None


@dataclass
class Launches:
    """State of a label's retries.

    Parameters
    ----------
    key
        What is computed; of another key, nothing in the folder is used.
    n_launches
        Launches so far.
    n_failures
        Failures answered so far, by reason.
    scf_steps_factor
        By which the largest number of SCF steps was raised.
    parameters
        GPAW's parameters that corrections replaced.
    corrections
        What was applied, in order.
    """

    key: str
    n_launches: int = 0
    n_failures: dict[str, int] = field(default_factory=dict)
    scf_steps_factor: float = 1.0
    parameters: dict[str, Any] = field(default_factory=dict)
    corrections: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of_folder(cls, folder: Path, key: str) -> "Launches":
        """Return what is known of a label; clear the folder of what belongs to another one."""
        for leftover in folder.glob(f"{PARTIAL_PREFIX}*"):
            leftover.unlink()
        try:
            found = cls(**json.loads((folder / LAUNCHES).read_text()))
            if found.key == key:
                return found
        except (OSError, ValueError, TypeError):
            pass  # the first launch, or a file of another version: nothing is known
        for name in (RESULT, FAILURE, DENSITY, INPUT, LOG):
            (folder / name).unlink(missing_ok=True)
        return cls(key)

    def write(self, folder: Path) -> None:
        """Keep the state."""
        write_json(folder / LAUNCHES, asdict(self))

    def next_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return GPAW's parameters of the next launch."""
        n_steps = round(parameters["maxiter"] * self.scf_steps_factor)
        return {**parameters, **self.parameters, "maxiter": n_steps}

    def answer(self, handler: str, policy: Policy, reason: str) -> Action | None:
        """Take the next action of the policy into account, or return None to give up."""
        n_before = self.n_failures.get(reason, 0)
        action = next_action(policy, reason, n_before)
        if action is None:
            return None
        self.n_failures[reason] = n_before + 1
        self.scf_steps_factor *= action.scf_steps_factor
        self.parameters.update({name: dict(value) for name, value in action.parameters})
        self.corrections.append(correction(handler, reason, action).model_dump())
        return action

    def records(self) -> list[Correction]:
        """Return the corrections as they are recorded."""
        return [Correction.model_validate(each) for each in self.corrections]


def read_outcome(
    folder: Path, task: LabelInput, exit_status: int | None, n_kernel_kills: int | None = None
) -> Outcome:
    """Return how a launch ended, from the files it left; what no file tells, the exit status has to.

    Parameters
    ----------
    folder, task
        Of the launch.
    exit_status
        As `subprocess` returns it.
    n_kernel_kills
        Processes the kernel killed for memory while it ran; None if that is not known.
    """
    if (folder / RESULT).exists():
        return _read_result(folder, task)
    if (folder / FAILURE).exists():
        try:
            failure = json.loads((folder / FAILURE).read_text())
            return Outcome(_ENDS.get(failure["reason"], failure["reason"]), _explain(failure, task))
        except (ValueError, KeyError, TypeError) as error:
            return Outcome("garbage_output", f"{FAILURE} cannot be read: {error}")
    return _of_exit_status(folder, task, exit_status, n_kernel_kills)


_ENDS = {"interrupted": "killed"}


def _read_result(folder: Path, task: LabelInput) -> Outcome:
    try:
        result = json.loads((folder / RESULT).read_text())
        forces = np.asarray(result["forces_eV_per_angstrom"], dtype=float)
        stress = np.asarray(result["stress_eV_per_angstrom3"], dtype=float)
        float(result["free_energy_eV"]), float(result["extrapolated_energy_eV"])
        missing = [name for name in ("is_scf_converged", *RECORDED) if name not in result]
        if missing:
            return Outcome("garbage_output", f"{RESULT} has no {', '.join(missing)}")
        if result["key"] != task.key:
            return Outcome("garbage_output", f"{RESULT} belongs to another calculation")
    except (ValueError, KeyError, TypeError) as error:
        return Outcome("garbage_output", f"{RESULT} cannot be read: {type(error).__name__}: {error}")
    if forces.shape != (len(task.numbers), 3) or stress.shape != (6,):
        return Outcome(
            "garbage_output",
            f"{RESULT}: forces of shape {forces.shape}, stress of shape {stress.shape}, for {len(task.numbers)} atoms",
        )
    return Outcome(None, result=result)


def _explain(failure: Mapping[str, Any], task: LabelInput) -> str:
    if failure["reason"] == "out_of_memory" and task.memory_limit_gb is not None:
        return (
            f"more than memory_limit_gb = {task.memory_limit_gb:g} GB of address space was needed; raise it, or "
            "spread the label over processes by gpaw_command"
        )
    if failure["reason"] != "scf_not_converged":
        return str(failure["explanation"])
    energies = failure.get("last_free_energies_eV", [])
    change = f"{abs(energies[-1] - energies[-2]):.2e} eV" if len(energies) > 1 else "unknown"
    return (
        f"SCF not converged in {task.parameters['maxiter']} steps; the last change of the energy was {change}"
    )


def _of_exit_status(
    folder: Path, task: LabelInput, exit_status: int | None, n_kernel_kills: int | None
) -> Outcome:
    said = _tail(folder / OUTPUT)
    match exit_status:
        case 0:
            return Outcome("garbage_output", f"GPAW ended without {RESULT} and without {FAILURE}: {said}")
        case code if code == EXIT_STATUS_DISK_FULL:
            return Outcome("disk_full", disk_full(folder))
        case -9 | 137 if n_kernel_kills:
            return Outcome(
                "out_of_memory", "the kernel killed GPAW because this machine's memory was used up"
            )
        case -9 | -15 | 137 | 143:
            return Outcome("killed", f"GPAW was killed (exit status {exit_status})")
        case code if task.memory_limit_gb is not None and code in ENDS_OF_AN_ALLOCATION:
            limit = f"memory_limit_gb = {task.memory_limit_gb:g} GB"
            return Outcome(
                "out_of_memory", f"GPAW ended by {ENDS_OF_AN_ALLOCATION[code]} under {limit}: {said}"
            )
    if "MemoryError" in said:
        return Outcome("out_of_memory", f"GPAW could not even start in the memory it has: {said}")
    return Outcome("reference_method_failed", f"GPAW ended with exit status {exit_status}: {said}")


def disk_full(folder: Path) -> str:
    """Return what to say of a disk without space."""
    return f"{folder}: the disk is full; free some space"


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[-OUTPUT_TAIL_CHARACTERS:].strip() or "it said nothing"
    except OSError:
        return "it said nothing"


def kernel_kills() -> int | None:
    """Return how many processes the kernel has killed for memory since it was booted; None if it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def rotate_log(folder: Path, n_launches: int) -> None:
    """Keep the log of an earlier launch under its number: GPAW begins a new one."""
    if n_launches and (folder / LOG).exists():
        os.replace(folder / LOG, folder / f"gpaw.launch{n_launches}.txt")
