"""GPAW as an ASE calculator that does its work in a process of its own, under custodian."""

import errno
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.reference.gpaw.attempts import RECORDED, Launches, Outcome, disk_full, read_outcome
from interphase_flows.reference.gpaw.files import INPUT, LABEL_LOCK, LAUNCHES, LOG, RESULT
from interphase_flows.reference.gpaw.input import LabelInput, gpaw_parameters
from interphase_flows.reference.gpaw.job import GpawJob, run_under_custodian
from interphase_flows.reference.labelling import IS_CONTINUED, RawLabel
from interphase_flows.reference.retry_policy import GPAW_POLICY, Policy
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.runtime.file_locks import exclusive_folder
from interphase_flows.runtime.progress import SCF, emit
from interphase_flows.runtime.walltime import Deadline, deadline
from interphase_flows.settings import Settings

DENSITY_INTERVAL_S = 60.0


class GpawSubprocess(Calculator):
    """Energy, forces and stress by GPAW; the energy is the free energy, which they are derivatives of.

    Parameters
    ----------
    spec
        Level of theory.
    settings
        How GPAW is started on this machine, with how much memory and time.
    folder
        Made if absent; what a killed calculation of the same atoms left there is used.
    policy
        What is tried again after a failure.

    Attributes
    ----------
    raw
        The last label, with its record.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self, spec: GpawSpec, settings: Settings, folder: Path, policy: Policy = GPAW_POLICY
    ) -> None:
        super().__init__()
        self._spec, self._settings, self._folder, self._policy = (
            spec,
            settings,
            Path(folder).absolute(),
            policy,
        )
        self.raw: RawLabel | None = None

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        """Compute all properties.

        Raises
        ------
        ReferenceMethodError
            After the policy gave up, with the reason, GPAW's log, and what was tried.
        SettingsError
            GPAW cannot be started at all; no structure is to blame.
        WalltimeReachedError
            Time ran out; the density is kept in the folder.
        """
        super().calculate(atoms, properties, system_changes)
        if atoms is None:
            raise ReferenceMethodError("GPAW was asked to label nothing: pass the atoms")
        self._folder.mkdir(parents=True, exist_ok=True)
        end, formula = deadline(self._settings), atoms.get_chemical_formula()
        task = self._task(atoms, end)
        launches, n_launches_before = Launches(task.key), 0
        try:
            with exclusive_folder(self._folder, LABEL_LOCK):
                launches = Launches.of_folder(self._folder, task.key)
                n_launches_before = launches.n_launches
                outcome = self._launch(task, launches, end, formula)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # what is written from here, inputs and the record of launches, found no room
            outcome = Outcome("disk_full", disk_full(self._folder))
        files = [self._folder / INPUT, *sorted(self._folder.glob("gpaw*.txt")), self._folder / RESULT]
        files = [path for path in files if path.is_file()]
        if outcome.result is None:
            tried = f" after {launches.n_launches} launches" if launches.n_launches > 1 else ""
            raise ReferenceMethodError(
                f"GPAW gave no label of {formula}{tried}: {outcome.explanation}",
                outcome.reason or "reference_method_failed",
                files,
                launches.records(),
            )
        self.raw = _raw_label(outcome.result, launches, n_launches_before, files)
        self.results = {
            "energy": self.raw.energy_eV,
            "free_energy": self.raw.energy_eV,
            "forces": self.raw.forces_eV_per_angstrom,
            "stress": self.raw.stress_eV_per_angstrom3,
        }

    def _launch(self, task: LabelInput, launches: Launches, end: Deadline, formula: str) -> Outcome:
        if (self._folder / RESULT).exists():
            # whoever asked for this label before was killed between the result and the ledger
            found = read_outcome(self._folder, task, None)
            if found.result is not None:
                return found
        end.check(f"the label of {formula}")
        job = GpawJob(task, launches, self._settings.gpaw_command, self._settings.n_threads, end)
        _check_command(job.why_it_cannot_start())
        outcome = run_under_custodian(
            job, self._folder, self._policy, look=_progress_of(self._folder / LOG, task, formula)
        )
        if told := job.why_it_cannot_start(outcome):
            (self._folder / LAUNCHES).unlink(missing_ok=True)  # no launch of the structure's
            _check_command(told)
        if outcome.reason == "walltime":
            raise WalltimeReachedError(
                f"walltime reached ({end.ended_by}) in the label of {formula}; what its SCF had reached is kept, and a "
                "resume goes on"
            )
        return outcome

    def _task(self, atoms: Atoms, end: Deadline) -> LabelInput:
        return LabelInput(
            numbers=atoms.numbers.tolist(),
            positions_angstrom=atoms.positions.tolist(),
            cell_angstrom=atoms.cell.tolist(),
            spin_polarized=self._spec.spin_polarized,
            parameters=gpaw_parameters(self._spec, atoms),
            density_interval_s=DENSITY_INTERVAL_S,
            deadline_unix_s=end.at_unix_s,
            memory_limit_gb=self._settings.memory_limit_gb,
            owner_pid=os.getpid(),
            owner_host=socket.gethostname(),
        )


def _check_command(told: str | None) -> None:
    if told is not None:
        raise SettingsError(
            f"gpaw_command: {told}; set it to a Python that has GPAW, `mpirun -np 4 gpaw python`, say"
        )


def _raw_label(
    result: Mapping[str, Any], launches: Launches, n_launches_before: int, files: list[Path]
) -> RawLabel:
    return RawLabel(
        energy_eV=float(result["free_energy_eV"]),
        forces_eV_per_angstrom=np.array(result["forces_eV_per_angstrom"], dtype=np.float64),
        stress_eV_per_angstrom3=np.array(result["stress_eV_per_angstrom3"], dtype=np.float64),
        is_scf_converged=bool(result["is_scf_converged"]),
        corrections=launches.records(),
        details={
            **{name: result[name] for name in RECORDED},
            "extrapolated_energy_eV": result["extrapolated_energy_eV"],
            "launches": launches.n_launches,
            IS_CONTINUED: n_launches_before > 0,
        },
        files=files,
    )


def _progress_of(log: Path, task: LabelInput, formula: str) -> Callable[[], None]:
    """Return what tells the listeners how far the SCF is, as GPAW's log has it."""
    began = time.monotonic()

    def look() -> None:
        try:
            steps = re.findall(r"^\|iter: *(\d+)\|", log.read_text(errors="replace"), re.MULTILINE)
        except OSError:
            return
        if steps:
            told = f"{formula}, {time.monotonic() - began:.0f} s"
            emit(SCF, int(steps[-1]), int(task.parameters["maxiter"]), told)

    return look
