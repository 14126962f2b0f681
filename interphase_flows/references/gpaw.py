"""GPAW: density-functional theory with plane waves that anybody can install.

Mortensen et al., J. Chem. Phys. 160, 092503 (2024). The energy of a label is the free energy E - TS of the
smeared electrons, because that is what GPAW's forces and stress are derivatives of; the energy extrapolated to
zero smearing is kept among the label's details.
"""

import contextlib
import fcntl
import functools
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.documents.records import MethodIdentity
from interphase_flows.exceptions import InputError, ReferenceMethodError, WalltimeReachedError
from interphase_flows.keys import content_key
from interphase_flows.progress import emit
from interphase_flows.references.deadline import deadline
from interphase_flows.references.gpaw_files import INPUT, LABEL_LOCK, LOG, RESULT
from interphase_flows.references.gpaw_input import (
    START_MAGNETIC_MOMENT_BOHR_MAGNETONS,
    LabelInput,
    gpaw_parameters,
)
from interphase_flows.references.labelling import RawLabel
from interphase_flows.references.retries import GPAW_POLICY, Policy
from interphase_flows.references.spec import GpawSpec
from interphase_flows.settings import Settings

DENSITY_INTERVAL_S = 60.0
OVERDUE_S = 30.0
"""After the deadline, GPAW is ended from here if it has not ended itself."""

_HOW_TO_INSTALL = (
    "GPAW is not installed: run `apt-get install -y --no-install-recommends libxc-dev libopenblas-dev "
    "libopenmpi-dev gcc`, then `pip install 'interphase-flows[gpaw]'`"
)


class GPAWMethod:
    """Labels by GPAW, one process per label.

    Parameters
    ----------
    spec
        Level of theory, the same for every cell.
    settings
        How GPAW is started on this machine, with how much memory and time; they change no number.
    policy
        What is tried again after a failure.

    Raises
    ------
    InputError
        GPAW is not installed.
    """

    def __init__(self, spec: GpawSpec, settings: Settings, policy: Policy = GPAW_POLICY) -> None:
        try:
            self._version, self._setups_version = version("gpaw"), version("gpaw-data")
        except PackageNotFoundError:
            raise InputError(_HOW_TO_INSTALL) from None
        self.spec, self._settings, self._policy = spec, settings, policy

    @functools.cached_property
    def identity(self) -> MethodIdentity:
        """GPAW's version, that of its setups, and every number of the level of theory."""
        settings: dict[str, str | float | int | bool] = {
            **self.spec.model_dump(mode="json", exclude={"method"}),
            "setups": f"gpaw-data {self._setups_version}",
            "energy": "free energy",
            "smearing": "Fermi-Dirac",
            "start_magnetic_moment_bohr_magnetons": START_MAGNETIC_MOMENT_BOHR_MAGNETONS
            if self.spec.spin_polarized
            else 0.0,
        }
        return MethodIdentity(
            name="gpaw",
            code="GPAW",
            version=self._version,
            is_surrogate=False,
            settings=settings,
            key=content_key("method", name="gpaw", version=self._version, settings=settings),
        )

    def calculator(self) -> Calculator:
        """Return a calculator in this process, for short dynamics and relaxations; energies are free energies."""
        return _FreeEnergyCalculator(self.spec)

    def supports(self, atoms: Atoms) -> str | None:
        """Refuse elements without a setup of the functional, and cells that are not periodic throughout."""
        missing = sorted({symbol for symbol in atoms.symbols if symbol not in _elements_with_setups()})
        if missing:
            return f"gpaw-data {self._setups_version} has no PBE setup for {', '.join(missing)}"
        if not atoms.pbc.all() or abs(np.linalg.det(atoms.cell.array)) < 1e-6:
            return "plane waves need a cell that is periodic in three directions; put the atoms in a box"
        return None

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Return free energy (eV), forces (eV/Å) and stress (eV/Å³), by GPAW in a process of its own.

        Raises
        ------
        ReferenceMethodError
            After the policy gave up, with the reason, GPAW's log, and what was tried.
        WalltimeReachedError
            Time ran out; the density is kept in the folder.
        """
        reason = self.supports(atoms)
        if reason:
            raise ReferenceMethodError(reason, "unsupported")
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="interphase-gpaw-") as temporary:
                raw = self._label(atoms, Path(temporary))
                return RawLabel(**{**vars(raw), "files": ()})
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return self._label(atoms, folder)

    def _label(self, atoms: Atoms, folder: Path) -> RawLabel:
        from interphase_flows.references.gpaw_job import GpawJob, run_under_custodian
        from interphase_flows.references.gpaw_launches import Launches, Outcome, read_outcome

        end = deadline(self._settings)
        task = self._task(atoms, end.at_unix_s)
        formula, began = atoms.get_chemical_formula(), time.monotonic()
        with _one_label_at_a_time(folder):
            launches = Launches.of_folder(folder, task.key)
            outcome = Outcome("none")
            if (
                folder / RESULT
            ).exists():  # whoever asked before was killed between the result and the ledger
                outcome = read_outcome(folder, task, None)
            if outcome.result is None:
                end.check(f"the label of {formula}")

                def look() -> None:
                    n_steps = _n_scf_steps(folder / LOG)
                    emit(
                        "scf",
                        n_steps,
                        task.parameters["maxiter"],
                        f"{formula}, {time.monotonic() - began:.0f} s",
                    )

                job = GpawJob(task, launches, self._settings.gpaw_command, self._settings.n_threads)
                outcome = run_under_custodian(
                    job, folder, self._policy, lambda: end.remaining_s < -OVERDUE_S, look
                )
                overdue = outcome.reason == "killed" and end.remaining_s <= 0
                if outcome.reason == "walltime" or overdue:
                    raise WalltimeReachedError(
                        f"walltime reached ({end.set_by}) in the label of {formula}; its density is kept, and "
                        "`interphase resume` goes on"
                    )
        files = [folder / INPUT, *sorted(folder.glob("gpaw*.txt")), folder / RESULT]
        files = [path for path in files if path.is_file()]
        if outcome.result is None:
            tried = f" after {launches.n_launches} launches" if launches.n_launches > 1 else ""
            raise ReferenceMethodError(
                f"GPAW gave no label of {formula}{tried}: {outcome.explanation}",
                outcome.reason or "reference_method_failed",
                files,
                launches.records(),
            )
        return _raw_label(outcome.result, launches, files)

    def _task(self, atoms: Atoms, deadline_unix_s: float | None) -> LabelInput:
        return LabelInput(
            numbers=atoms.numbers.tolist(),
            positions_angstrom=atoms.positions.tolist(),
            cell_angstrom=atoms.cell.tolist(),
            spin_polarized=self.spec.spin_polarized,
            parameters=gpaw_parameters(self.spec, len(atoms)),
            start_from_density=True,
            density_interval_s=DENSITY_INTERVAL_S,
            deadline_unix_s=deadline_unix_s,
            memory_limit_gb=self._settings.memory_limit_gb,
            owner_pid=os.getpid(),
            owner_host=socket.gethostname(),
        )


def _raw_label(result: Any, launches: Any, files: list[Path]) -> RawLabel:
    details = (
        "n_scf_steps",
        "n_k_points",
        "n_electrons",
        "n_bands",
        "peak_memory_gb",
        "started_from_density",
    )
    return RawLabel(
        energy_ev=float(result["free_energy_ev"]),
        forces_ev_per_angstrom=np.array(result["forces_ev_per_angstrom"], dtype=np.float64),
        stress_ev_per_angstrom3=np.array(result["stress_ev_per_angstrom3"], dtype=np.float64),
        is_scf_converged=bool(result["is_scf_converged"]),
        corrections=launches.records(),
        details={
            **{name: result[name] for name in details},
            "extrapolated_energy_ev": result["extrapolated_energy_ev"],
            "launches": launches.n_launches,
        },
        files=files,
    )


class _FreeEnergyCalculator(Calculator):
    """GPAW in this process, its energy the free energy, so that relaxations and labels speak of one energy."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, spec: GpawSpec) -> None:
        super().__init__()
        self._spec = spec
        self._inner: Any = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = None,
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if atoms is None:
            raise ReferenceMethodError("GPAW was asked to label nothing: pass the atoms")
        from gpaw import GPAW

        if self._inner is None:  # kept: the next positions start from the wave functions of these
            self._inner = GPAW(**gpaw_parameters(self._spec, len(atoms)), txt=None)
        copied = atoms.copy()
        if self._spec.spin_polarized:
            copied.set_initial_magnetic_moments([START_MAGNETIC_MOMENT_BOHR_MAGNETONS] * len(atoms))
        free_energy = float(self._inner.get_potential_energy(copied, force_consistent=True))
        self.results = {
            "energy": free_energy,
            "free_energy": free_energy,
            "forces": np.asarray(self._inner.get_forces(copied), dtype=np.float64),
            "stress": np.asarray(self._inner.get_stress(copied), dtype=np.float64),
        }


@functools.cache
def _elements_with_setups() -> frozenset[str]:
    # PBE's setups serve PBEsol as well; the package is found without being imported
    found = find_spec("gpaw_data")
    if found is None or found.origin is None:
        raise InputError(_HOW_TO_INSTALL)
    setups = Path(found.origin).parent / "setups"
    return frozenset(path.name.removesuffix(".PBE.gz") for path in setups.glob("*.PBE.gz"))


def _n_scf_steps(log: Path) -> int:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return 0
    steps = (re.match(r"\|iter: *(\d+)\|", line) for line in reversed(lines))
    return next((int(step[1]) for step in steps if step), 0)


@contextlib.contextmanager
def _one_label_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for another process that computes this label, and then find its result."""
    with (folder / LABEL_LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
