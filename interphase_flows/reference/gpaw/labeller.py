"""Compute one label by GPAW in its folder: attempts in subprocesses, restarts, and the files of the label."""

import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import ReferenceMethodError, WalltimeReachedError
from interphase_flows.reference.attempts import Attempts, run_attempts
from interphase_flows.reference.gpaw.input import (
    DENSITY,
    INPUT,
    LOG,
    RESULT,
    GpawParameters,
    LabelInput,
    WorkerResult,
    gpaw_parameters,
)
from interphase_flows.reference.gpaw.launch import GpawLauncher, rotate_files
from interphase_flows.reference.gpaw.outcome import read_outcome
from interphase_flows.reference.label_folder import label_folder
from interphase_flows.reference.labelling import IS_CONTINUED, RawLabel
from interphase_flows.reference.retry_policy import Policy
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.runtime.progress import SCF, emit
from interphase_flows.runtime.walltime import Deadline, deadline
from interphase_flows.settings import Settings

DENSITY_INTERVAL_S = 60.0
HANDLER = "GPAWMethod"
RECORDED = (
    "n_scf_steps",
    "n_k_points",
    "n_electrons",
    "n_bands",
    "peak_memory_gb",
    "started_from_density",
    "extrapolated_energy_eV",
)
"""Fields of the result that become details of the label."""


def compute_label(atoms: Atoms, folder: Path, spec: GpawSpec, settings: Settings, policy: Policy) -> RawLabel:
    """Return the label of a structure; results and restart files in the folder are used.

    Command, memory limit and walltime of GPAW are in the settings.

    Raises
    ------
    ReferenceMethodError
        All retries failed; has the reason, GPAW's log and the corrections.
    SettingsError
        GPAW cannot be started on this machine.
    WalltimeReachedError
        Stopped at the deadline; the density is kept in the folder.
    """
    end = deadline(settings)
    task = label_input(atoms, spec, settings, end)
    with label_folder(folder, _kept_files):
        attempts = Attempts.read(folder, task.key)
        if attempts is None:
            attempts = Attempts(key=task.key)
            for path in (folder / DENSITY, folder / RESULT):
                path.unlink(missing_ok=True)
        is_continued = attempts.n_attempts > 0
        # a kill between the result and the ledger leaves a complete result
        result = read_outcome(folder, task, None).result if (folder / RESULT).exists() else None
        if result is None:
            launcher = GpawLauncher(folder, settings.gpaw_command, settings.n_threads, end)
            result = run_attempts(
                attempts,
                folder,
                policy,
                end,
                lambda: _attempt(launcher, task, attempts),
                discard_output=lambda: rotate_files(folder, attempts.n_attempts),
                discard_density=lambda: (folder / DENSITY).unlink(missing_ok=True),
            )
    details = result.model_dump(include=set(RECORDED))
    return RawLabel(
        energy_eV=result.free_energy_eV,
        forces_eV_per_angstrom=np.array(result.forces_eV_per_angstrom, dtype=np.float64),
        stress_eV_per_angstrom3=np.array(result.stress_eV_per_angstrom3, dtype=np.float64),
        is_scf_converged=result.is_scf_converged,
        corrections=attempts.corrections(HANDLER),
        details=details | {"n_attempts": attempts.n_attempts, IS_CONTINUED: is_continued},
        files=_kept_files(folder),
    )


def label_input(atoms: Atoms, spec: GpawSpec, settings: Settings, end: Deadline) -> LabelInput:
    """Return the input of a worker."""
    return LabelInput(
        numbers=atoms.numbers.tolist(),
        positions_angstrom=atoms.positions.tolist(),
        cell_angstrom=atoms.cell.tolist(),
        spin_polarized=spec.spin_polarized,
        parameters=gpaw_parameters(spec, atoms),
        density_interval_s=DENSITY_INTERVAL_S,
        deadline_unix_s=end.at_unix_s,
        memory_limit_gb=settings.memory_limit_gb,
        owner_pid=os.getpid(),
        owner_host=socket.gethostname(),
    )


def retried_task(task: LabelInput, attempts: Attempts) -> LabelInput:
    """Return the input with the parameters that the retries so far have changed."""
    n_steps = round(task.parameters["maxiter"] * attempts.scf_steps_factor)
    parameters = {**task.parameters, **attempts.parameters, "maxiter": n_steps}
    return replace(task, parameters=cast(GpawParameters, parameters))


def _attempt(launcher: GpawLauncher, task: LabelInput, attempts: Attempts) -> WorkerResult:
    """Run one worker."""
    formula, end = task.atoms().get_chemical_formula(), launcher.end
    task = retried_task(task, attempts)
    progress = _progress_reporter(launcher.folder / LOG, int(task.parameters["maxiter"]), formula)
    outcome = launcher.run(task, progress)
    if outcome.result is not None:
        return outcome.result
    if outcome.reason == "walltime":
        raise WalltimeReachedError(
            f"walltime reached ({end.ended_by}) in the label of {formula}; the density of its SCF is kept. "
            "Hint: resume to continue"
        )
    after = f" after {attempts.n_attempts} attempts" if attempts.n_attempts > 1 else ""
    raise ReferenceMethodError(
        f"GPAW failed on {formula}{after}: {outcome.explanation}",
        outcome.reason or "reference_method_failed",
        _kept_files(launcher.folder),
        attempts.corrections(HANDLER),
    )


def _kept_files(folder: Path) -> list[Path]:
    files = [folder / INPUT, *sorted(folder.glob("gpaw*.txt")), folder / RESULT]
    return [path for path in files if path.is_file()]


def _progress_reporter(log: Path, max_steps: int, formula: str) -> Callable[[], None]:
    """Return a function that emits the SCF step in GPAW's log as progress."""
    began = time.monotonic()

    def report() -> None:
        try:
            steps = re.findall(r"^\|iter: *(\d+)\|", log.read_text(errors="replace"), re.MULTILINE)
        except OSError:
            return
        if steps:
            emit(SCF, int(steps[-1]), max_steps, f"{formula}, {time.monotonic() - began:.0f} s")

    return report
