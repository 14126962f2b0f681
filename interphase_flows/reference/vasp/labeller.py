"""Compute one VASP label in its folder: attempts, restarts from the kept density, and the files of the label."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.reference.attempts import ATTEMPTS, Attempts, Policy, run_attempts
from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.label_folder import label_folder
from interphase_flows.reference.labelling import IS_CONTINUED, RawLabel
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.corrections import CUSTODIAN_RECORD, read_corrections
from interphase_flows.reference.vasp.incar import grouped, species_order
from interphase_flows.reference.vasp.output import VaspResult, read_result
from interphase_flows.runtime.progress import SCF, emit
from interphase_flows.runtime.walltime import Deadline, deadline
from interphase_flows.schemas.label import Correction
from interphase_flows.settings import Settings

COMMAND_VARIABLE = "VASP_CMD"
COMMAND_HINT = f"Hint: set {COMMAND_VARIABLE} or vasp_command in the settings, for example to `srun vasp_std`"

INPUT_FILES = ("INCAR", "KPOINTS", "POSCAR", "POTCAR.spec")
"""Input files kept with a label; POTCAR is licensed and stays in the work folder."""

OUTPUT_FILES = (
    "OUTCAR",
    "OSZICAR",
    "vasprun.xml",
    "vasp.out",
    "std_err.txt",
    CUSTODIAN_RECORD,
    "INCAR.orig",
)
"""Output files kept with a label."""

DENSITY_FILES = ("WAVECAR", "CHGCAR")
KEPT_DENSITY = "kept_density"
DISCARDED_FILES = (
    ATTEMPTS,  # first: without the record, the remaining files are not taken for a label
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
"""Exit status of a shell or launcher if the program or one of its libraries is missing."""

HANDLER = "VASPMethod"
"""Handler of the retries in the record of a label."""

END_OF_OUTCAR = "General timing and accounting informations for this job"
"""Heading of the last section of OUTCAR."""


@dataclass(frozen=True)
class VaspLabeller:
    """Compute VASP labels on this machine, with a policy for failures that custodian does not correct.

    ``poll_interval_s`` is the time between two checks of a running VASP. POTCAR is written if ``reads_potentials``,
    otherwise only POTCAR.spec.
    """

    spec: VaspSpec
    settings: Settings
    command: list[str]
    policy: Policy
    poll_interval_s: float
    reads_potentials: bool

    def label(self, atoms: Atoms, folder: Path) -> RawLabel:
        """Return the label of a structure; the output of a finished run in the folder is reused.

        Raises
        ------
        ReferenceMethodError
            Custodian and the policy gave up.
        SettingsError
            This machine lacks VASP or its potentials.
        WalltimeReachedError
            Stopped at the deadline; wave functions and density are kept in the folder.
        """
        ordered = grouped(atoms)
        key = inputs_key(ordered, self.spec)
        with label_folder(folder, _kept_files) as lock:
            attempts = Attempts.read(folder, key)
            # a kill between the end of VASP and the ledger leaves complete output
            result = None if attempts is None else finished_run(folder, ordered, self.spec)
            if attempts is not None and result is not None:
                result.details[IS_CONTINUED] = True
                return self._raw_label(result, atoms, folder, attempts)
            attempts = attempts or Attempts(key=key)
            end = deadline(self.settings)
            result = run_attempts(
                attempts,
                folder,
                self.policy,
                end,
                lambda: self._attempt(atoms, folder, lock, attempts, end),
                discard_output=lambda: _discard_output(folder),
                discard_density=lambda: shutil.rmtree(folder / KEPT_DENSITY, ignore_errors=True),
            )
            return self._raw_label(result, atoms, folder, attempts)

    def _attempt(self, atoms: Atoms, folder: Path, lock: int, attempts: Attempts, end: Deadline) -> VaspResult:
        # take seconds to import
        from interphase_flows.reference.vasp.input_set import write_inputs
        from interphase_flows.reference.vasp.run import (
            LabelJob,
            failure_reason,
            gamma_command,
            output_tail,
            run_under_custodian,
        )

        formula, began = atoms.get_chemical_formula(), time.monotonic()
        start = _start_from_kept_density(folder)
        write_inputs(self.spec, atoms, folder, self.settings.vasp_parallel, start, self.reads_potentials)
        is_gamma = k_points(self.spec, atoms) == (1, 1, 1)
        command = gamma_command(self.command) if is_gamma else self.command

        def report_progress() -> None:
            seconds = time.monotonic() - began
            emit(SCF, _n_scf_steps(folder), self.spec.max_scf_steps, f"{formula}, {seconds:.0f} s")

        job = LabelJob(command, lock, self.settings.memory_limit_gb)
        was_stopped, custodian_error = run_under_custodian(job, folder, end, self.poll_interval_s, report_progress)
        result: VaspResult | None = None
        errors = [custodian_error] if custodian_error else []
        try:
            result = read_result(folder, grouped(atoms), self.spec)
        except ReferenceMethodError as error:
            errors.append(str(error))
        if was_stopped and not (result and result.is_scf_converged):
            is_kept = job.exit_status == 0
            if is_kept:
                _keep_density(folder)
            raise WalltimeReachedError(
                f"walltime reached ({end.ended_by}) in the label of {formula}; its density is "
                f"{'kept' if is_kept else 'not kept'}. Hint: resume to continue"
            )
        if result is None and job.exit_status in CANNOT_START:
            raise SettingsError(
                f"VASP's command `{' '.join(command)}` could not be started (exit status {job.exit_status}): "
                f"{output_tail(folder)}. {COMMAND_HINT}, and load its module"
            )
        # custodian also gives up on an SCF cycle that does not converge: that is a result, which the gates reject
        if result is None or (custodian_error and result.is_scf_converged):
            raise ReferenceMethodError(
                f"VASP failed on {formula} (exit status {job.exit_status}): {'; '.join(errors)}",
                failure_reason(folder, job.exit_status, has_output=result is not None),
                _kept_files(folder),
                self._corrections(folder, attempts),
            )
        result.details[IS_CONTINUED] = 1 in start.values()
        return result

    def _corrections(self, folder: Path, attempts: Attempts) -> list[Correction]:
        return [*attempts.corrections(HANDLER), *read_corrections(folder, self.spec)]

    def _raw_label(self, result: VaspResult, atoms: Atoms, folder: Path, attempts: Attempts) -> RawLabel:
        forces = np.empty_like(result.forces_eV_per_angstrom)
        forces[species_order(atoms)] = result.forces_eV_per_angstrom
        corrections = self._corrections(folder, attempts)
        if result.deviations:
            corrections.append(
                Correction(handler="vasprun.xml", errors=list(result.deviations), actions=[], changes_theory=True)
            )
        return RawLabel(
            energy_eV=result.energy_eV,
            forces_eV_per_angstrom=forces,
            stress_eV_per_angstrom3=result.stress_eV_per_angstrom3,
            is_scf_converged=result.is_scf_converged,
            corrections=corrections,
            details=result.details,
            files=_kept_files(folder),
        )


def _kept_files(folder: Path) -> Sequence[Path]:
    return [folder / name for name in (*INPUT_FILES, *OUTPUT_FILES) if (folder / name).is_file()]


def _discard_output(folder: Path) -> None:
    for name in DISCARDED_FILES:
        (folder / name).unlink(missing_ok=True)


def _keep_density(folder: Path) -> None:
    """Move the restart files to a subfolder, where an unfinished run does not overwrite them."""
    (folder / KEPT_DENSITY).mkdir(exist_ok=True)
    for name in DENSITY_FILES:
        # VASP creates an empty WAVECAR when it starts
        if (folder / name).is_file() and (folder / name).stat().st_size:
            os.replace(folder / name, folder / KEPT_DENSITY / name)


def _start_from_kept_density(folder: Path) -> dict[str, int]:
    """Copy the kept restart files to where VASP reads them; return ISTART and ICHARG."""
    start = {"ISTART": 0, "ICHARG": 2}
    for name, tag in zip(DENSITY_FILES, start, strict=True):
        if (folder / KEPT_DENSITY / name).is_file():
            shutil.copyfile(folder / KEPT_DENSITY / name, folder / name)
            start[tag] = 1
    if start == {"ISTART": 1, "ICHARG": 2}:
        start["ICHARG"] = 0  # density of the wave functions
    return start


def _n_scf_steps(folder: Path) -> int:
    try:
        lines = (folder / "OSZICAR").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return sum(line[:4] in ("DAV:", "RMM:", "SDA:", "DMP:", "CGA:") for line in lines)


def inputs_key(atoms: Atoms, spec: VaspSpec) -> str:
    """Return the key of INCAR, KPOINTS, POSCAR and POTCAR.spec for atoms in VASP's order (`incar.grouped`).

    The restart tags (ISTART, ICHARG) and the parallelisation (KPAR, NCORE) are left out: they differ between attempts at
    one label.
    """
    from interphase_flows.reference.vasp.input_set import input_set  # takes seconds to import

    inputs = input_set(spec, atoms, parallel={}, potcar_spec=True)
    return content_key(
        "vasp inputs",
        INCAR=str(inputs.incar),
        KPOINTS=str(inputs.kpoints),
        POSCAR=str(inputs.poscar),
        POTCAR=str(inputs.potcar),
    )


def finished_run(folder: Path, atoms: Atoms, spec: VaspSpec) -> VaspResult | None:
    """Return the result of a run that ended before its label was recorded, or None if VASP has to run.

    A record of the attempt is written before VASP starts, with a key of its inputs, and removed if the attempt gives no
    label. Output beside a record of the same key is the label if it is complete, converged and needs no correction. The
    folder is locked; the atoms are in VASP's order.
    """
    if not _is_complete(folder):
        return None
    try:
        result = read_result(folder, atoms, spec)
    except ReferenceMethodError:
        return None
    if not result.is_scf_converged:  # stopped at the deadline, or for custodian to correct
        return None
    from interphase_flows.reference.vasp.run import needs_correction  # takes seconds to import

    return None if needs_correction(folder) else result


def _is_complete(folder: Path) -> bool:
    """Return whether OUTCAR has its last section and custodian's record is readable."""
    try:
        if END_OF_OUTCAR not in (folder / "OUTCAR").read_text(errors="replace"):
            return False
        if (folder / CUSTODIAN_RECORD).exists():  # absent until custodian has checked the run once
            json.loads((folder / CUSTODIAN_RECORD).read_text())
    except (OSError, ValueError):
        return False
    return True
