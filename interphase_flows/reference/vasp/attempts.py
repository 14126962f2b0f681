"""One label by VASP in its folder: its launches, what is tried again, and where the next one starts."""

import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.labelling import IS_CONTINUED, RawLabel
from interphase_flows.reference.retry_policy import RESTART, START_OVER, Policy, correction, next_action
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.corrections import LOG as CUSTODIAN_LOG
from interphase_flows.reference.vasp.corrections import read_corrections
from interphase_flows.reference.vasp.incar import grouped, species_order
from interphase_flows.reference.vasp.output import VaspResult, read_result
from interphase_flows.reference.vasp.restart import (
    LAUNCH,
    finished_run,
    forget_launch,
    inputs_key,
    record_launch,
)
from interphase_flows.runtime.file_locks import exclusive_folder
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.label import Correction
from interphase_flows.settings import Settings

INPUT_FILES = ("INCAR", "KPOINTS", "POSCAR", "POTCAR.spec")
"""Input files kept with a label; POTCAR is licensed and stays in the work folder."""

COMMAND_VARIABLE = "VASP_CMD"
COMMAND_MEND = (
    f"set {COMMAND_VARIABLE} in the environment, or vasp_command in the settings, to `srun vasp_std`, say"
)

OUTPUT_FILES = ("OUTCAR", "OSZICAR", "vasprun.xml", "vasp.out", "std_err.txt", CUSTODIAN_LOG, "INCAR.orig")
"""What is kept with a label, beside its inputs."""

DENSITY_FILES = ("WAVECAR", "CHGCAR")
KEPT = "kept_density"
LOCK = "label.lock"
STALE = (
    LAUNCH,  # first: without it, nobody takes the rest for a label
    *OUTPUT_FILES,
    *DENSITY_FILES,
    "STOPCAR",
    "CONTCAR",
    "CHG",
    "KPOINTS.orig",
    "POSCAR.orig",
    "POTCAR.orig",
)

CANNOT_START = (126, 127)
"""Exit status of a shell or launcher that found no program, or a program that found no library."""

VASP_POLICY: Policy = MappingProxyType(
    {
        # what VASP itself complains of is custodian's; this is what happens to it from outside
        "killed": (RESTART, RESTART),
        "garbage_output": (START_OVER,),
    }
)

HANDLER = "VASPMethod"
"""Who tries again, in the record of a label, after what custodian cannot mend."""


@dataclass(frozen=True)
class VaspLaunches:
    """VASP as it is launched on this machine, for one label after the other.

    Parameters
    ----------
    spec
        Level of theory.
    settings
        Memory, time and how processes share the work; they change no number.
    command
        How VASP is started.
    policy
        What is tried again after a run that ended without output.
    poll_interval_s
        Between two looks at a running VASP.
    reads_potentials
        Whether POTCARs are written; only their names if False.
    """

    spec: VaspSpec
    settings: Settings
    command: list[str]
    policy: Policy
    poll_interval_s: float
    reads_potentials: bool

    def label(self, atoms: Atoms, folder: Path) -> RawLabel:
        """Return a label, after as many launches as it takes; what an earlier process finished is read.

        Raises
        ------
        ReferenceMethodError
            After custodian and the policy gave up.
        SettingsError
            This machine lacks VASP or its potentials.
        WalltimeReachedError
            Time ran out; wave functions and density are kept in the folder.
        """
        retried: list[Correction] = []
        failures: Counter[str] = Counter()
        key = inputs_key(grouped(atoms), self.spec)
        with exclusive_folder(folder, LOCK) as lock:
            found = finished_run(folder, key, grouped(atoms), self.spec)
            if found is not None:
                # whoever asked for this label before was killed between the end of VASP and the ledger
                found.result.details[IS_CONTINUED] = True
                return _raw_label(found.result, species_order(atoms), found.corrections, _kept_files(folder))
            while True:
                try:
                    return self._launch(atoms, folder, lock, key, retried)
                except ReferenceMethodError as error:
                    forget_launch(folder)
                    action = next_action(self.policy, error.reason, failures[error.reason])
                    if action is None:
                        raise
                    failures[error.reason] += 1
                    if action.start == "scratch":
                        shutil.rmtree(folder / KEPT, ignore_errors=True)
                    retried.append(correction(HANDLER, error.reason, action))

    def _launch(self, atoms: Atoms, folder: Path, lock: int, key: str, retried: list[Correction]) -> RawLabel:
        # take seconds to import
        from interphase_flows.reference.vasp.input_set import input_set, write_inputs
        from interphase_flows.reference.vasp.run import (
            LabelJob,
            failure_reason,
            gamma_command,
            last_words,
            run_under_custodian,
        )

        formula, began = atoms.get_chemical_formula(), time.monotonic()
        end = deadline(self.settings)
        end.check(f"the label of {formula}")
        for name in STALE:  # what an earlier launch left cannot be taken for this one's
            (folder / name).unlink(missing_ok=True)
        start = _start_from_kept(folder)
        inputs = input_set(
            self.spec, grouped(atoms), self.settings.vasp_parallel, start, not self.reads_potentials
        )
        write_inputs(inputs, folder)
        record_launch(folder, key, retried)
        command = self.command
        if k_points(self.spec, atoms) == (1, 1, 1):
            command = gamma_command(command)

        def look() -> None:
            seconds = time.monotonic() - began
            emit("scf", _n_scf_steps(folder), self.spec.max_scf_steps, f"{formula}, {seconds:.0f} s")

        job = LabelJob(command, lock, self.settings.memory_limit_gb)
        was_stopped, given_up = run_under_custodian(job, folder, end, self.poll_interval_s, look)
        corrections = [*retried, *read_corrections(folder, self.spec)]
        files = _kept_files(folder)
        result: VaspResult | None = None
        complaint = given_up or ""
        try:
            result = read_result(folder, grouped(atoms), self.spec)
        except ReferenceMethodError as error:
            complaint = f"{complaint}; {error}" if complaint else str(error)
        if was_stopped and not (result and result.is_scf_converged):
            kept = "nothing could be kept"
            if job.exit_status == 0:
                _keep_density(folder)
                kept = "its density is kept"
            raise WalltimeReachedError(
                f"walltime reached ({end.ended_by}) in the label of {formula}; {kept}, and `interphase resume` goes on"
            )
        if result is None and job.exit_status in CANNOT_START:
            raise SettingsError(
                f"VASP's command `{' '.join(command)}` could not be started (exit status {job.exit_status}): "
                f"{last_words(folder)}; {COMMAND_MEND}, and load its module"
            )
        # custodian gives up on an unconverged cycle too: that is a result, and the gates reject it
        if result is None or (given_up and result.is_scf_converged):
            reason = failure_reason(folder, job.exit_status, has_output=result is not None)
            raise ReferenceMethodError(
                f"VASP gave no label of {formula} (exit status {job.exit_status}): {complaint}",
                reason,
                files,
                corrections,
            )
        result.details[IS_CONTINUED] = 1 in start.values()
        return _raw_label(result, species_order(atoms), corrections, files)


def _kept_files(folder: Path) -> list[Path]:
    return [folder / name for name in (*INPUT_FILES, *OUTPUT_FILES) if (folder / name).is_file()]


def _raw_label(result: VaspResult, order: Any, corrections: list[Correction], files: list[Path]) -> RawLabel:
    forces = np.empty_like(result.forces_eV_per_angstrom)
    forces[order] = result.forces_eV_per_angstrom
    if result.deviations:
        corrections = [
            *corrections,
            Correction(
                handler="vasprun.xml", errors=list(result.deviations), actions=[], changes_theory=True
            ),
        ]
    return RawLabel(
        energy_eV=result.energy_eV,
        forces_eV_per_angstrom=forces,
        stress_eV_per_angstrom3=result.stress_eV_per_angstrom3,
        is_scf_converged=result.is_scf_converged,
        corrections=corrections,
        details=result.details,
        files=files,
    )


def _keep_density(folder: Path) -> None:
    """Put what VASP wrote at its end where the next run cannot write over it before it has something better."""
    (folder / KEPT).mkdir(exist_ok=True)
    for name in DENSITY_FILES:
        # VASP makes an empty WAVECAR when it starts
        if (folder / name).is_file() and (folder / name).stat().st_size:
            os.replace(folder / name, folder / KEPT / name)


def _start_from_kept(folder: Path) -> dict[str, int]:
    """Return ISTART and ICHARG, after copying what was kept to where VASP reads it."""
    start = {"ISTART": 0, "ICHARG": 2}
    for name, tag in zip(DENSITY_FILES, start, strict=True):
        if (folder / KEPT / name).is_file():
            shutil.copyfile(folder / KEPT / name, folder / name)
            start[tag] = 1
    if start == {"ISTART": 1, "ICHARG": 2}:
        start["ICHARG"] = 0  # the density of the wave functions
    return start


def _n_scf_steps(folder: Path) -> int:
    try:
        lines = (folder / "OSZICAR").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return sum(line[:4] in ("DAV:", "RMM:", "SDA:", "DMP:", "CGA:") for line in lines)
