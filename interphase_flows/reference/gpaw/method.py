"""GPAW: plane-wave density-functional theory, freely available.

Mortensen et al., J. Chem. Phys. 160, 092503 (2024). The energy of a label is the free energy E - TS of the smeared
electrons, of which GPAW's forces and stress are the derivatives. The energy extrapolated to zero smearing is kept in the
label's details.
"""

import functools
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.reference.attempts import GPAW_POLICY, Attempts, Policy, run_attempts
from interphase_flows.reference.gpaw.input import (
    DENSITY,
    INITIAL_MOMENT_BOHR,
    INPUT,
    LOG,
    RESULT,
    GpawParameters,
    LabelInput,
    WorkerResult,
    gpaw_parameters,
    with_initial_moments,
)
from interphase_flows.reference.gpaw.launch import GpawLauncher, check_command, rotate_files
from interphase_flows.reference.gpaw.outcome import read_outcome
from interphase_flows.reference.k_points import MESH_RULE
from interphase_flows.reference.label_folder import label_folder
from interphase_flows.reference.labelling import (
    IS_CONTINUED,
    LabelCalculator,
    RawLabel,
    method_identity,
    missing_periodicity,
)
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.runtime.progress import SCF, emit
from interphase_flows.runtime.walltime import Deadline, deadline
from interphase_flows.schemas.label import MethodIdentity
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

_NOT_INSTALLED = (
    "GPAW is not installed. Hint: run `apt-get install -y --no-install-recommends libxc-dev libopenblas-dev "
    "libopenmpi-dev gcc`, then `pip install 'interphase-flows[gpaw]'`"
)


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


class GPAWMethod:
    """Label structures with GPAW, each in a subprocess.

    Command, memory limit and walltime of GPAW are settings of the machine; they change no number.

    Raises
    ------
    SettingsError
        GPAW is not installed.
    """

    def __init__(self, spec: GpawSpec, settings: Settings, policy: Policy = GPAW_POLICY) -> None:
        try:
            self._version, self._setups_version = version("gpaw"), version("gpaw-data")
        except PackageNotFoundError:
            raise SettingsError(_NOT_INSTALLED) from None
        self.spec, self._settings, self._policy = spec, settings, policy

    @functools.cached_property
    def identity(self) -> MethodIdentity:
        """Versions of GPAW and of its setups, and every number of the level of theory."""
        settings: dict[str, str | float | int | bool] = {
            **self.spec.model_dump(mode="json", exclude={"method"}),
            "setups": f"gpaw-data {self._setups_version}",
            "energy": "free energy",
            "smearing": "Fermi-Dirac",
            "start_magnetic_moment_bohr_magnetons": INITIAL_MOMENT_BOHR if self.spec.spin_polarized else 0.0,
        }
        if self.spec.gamma_above_atoms > 1:  # otherwise every cell uses Gamma alone
            settings["k_point_mesh"] = MESH_RULE
        return method_identity("gpaw", "GPAW", self._version, settings)

    def calculator(self) -> Calculator:
        """Return a calculator in this process, for short dynamics and relaxations; its energy is the free energy."""
        return LabelCalculator(_InProcessGpaw(self.spec))

    def supports(self, atoms: Atoms) -> str | None:
        """Return which elements have no setup, or that the cell is not periodic; None if supported."""
        missing = sorted({symbol for symbol in atoms.symbols if symbol not in _elements_with_setups()})
        if missing:
            return f"gpaw-data {self._setups_version} has no PBE setup for {', '.join(missing)}"
        return missing_periodicity(atoms)

    def machine_checks(self, elements: Sequence[str], starts_programs: bool = True) -> Mapping[str, Callable[[], str]]:
        """Return the check that the command of the settings starts a Python with GPAW and its setups."""
        return {"GPAW": lambda: check_command(self._settings.gpaw_command, elements, starts_programs)}

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Return free energy (eV), forces (eV/Å) and stress (eV/Å³), computed in a subprocess.

        Raises
        ------
        ReferenceMethodError
            All retries failed; has the reason, GPAW's log and the corrections.
        WalltimeReachedError
            Stopped at the deadline; the density is kept in the folder.
        """
        reason = self.supports(atoms)
        if reason:
            raise ReferenceMethodError(reason, "unsupported")
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="interphase-gpaw-") as temporary:
                return replace(self.label(atoms, Path(temporary)), files=())
        return compute_label(atoms, Path(folder).absolute(), self.spec, self._settings, self._policy)


class _InProcessGpaw:
    """Evaluates GPAW in this process, starting from the wave functions of the last positions."""

    def __init__(self, spec: GpawSpec) -> None:
        self._spec = spec
        self._parameters: GpawParameters | None = None
        self._gpaw: Any = None

    def __call__(self, atoms: Atoms) -> RawLabel:
        from gpaw import GPAW

        parameters = gpaw_parameters(self._spec, atoms)
        if parameters != self._parameters:  # another cell, with other k-points
            self._parameters, self._gpaw = parameters, GPAW(**parameters, txt=None)
        copied = with_initial_moments(atoms, self._spec.spin_polarized)
        return RawLabel(
            energy_eV=float(self._gpaw.get_potential_energy(copied, force_consistent=True)),
            forces_eV_per_angstrom=np.asarray(self._gpaw.get_forces(copied), dtype=np.float64),
            stress_eV_per_angstrom3=np.asarray(self._gpaw.get_stress(copied), dtype=np.float64),
        )


@functools.cache
def _elements_with_setups() -> frozenset[str]:
    # PBE's setups are used for PBEsol as well; the package is located without importing it
    package = find_spec("gpaw_data")
    if package is None or package.origin is None:
        raise SettingsError(_NOT_INSTALLED)
    setups = Path(package.origin).parent / "setups"
    return frozenset(path.name.removesuffix(".PBE.gz") for path in setups.glob("*.PBE.gz"))
