"""VASP: density-functional theory for those who have its licence.

Kresse & Furthmüller, Phys. Rev. B 54, 11169 (1996); Kresse & Joubert, Phys. Rev. B 59, 1758 (1999).  Inputs are
written by atomate2's generator with the campaign's own input set (`vasp_static`), runs are watched by custodian
(`vasp_run`), and what counts is read from VASP's own output (`vasp_output`).
"""

import fcntl
import functools
import os
import shlex
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.documents.records import Correction, MethodIdentity
from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.keys import content_key
from interphase_flows.progress import emit
from interphase_flows.references.deadline import deadline
from interphase_flows.references.labelling import IS_CONTINUED, RawLabel
from interphase_flows.references.retries import RESTART, START_OVER, Policy, correction, next_action
from interphase_flows.references.spec import VaspSpec
from interphase_flows.references.vasp_corrections import LOG as CUSTODIAN_LOG
from interphase_flows.references.vasp_corrections import read_corrections
from interphase_flows.references.vasp_finished import (
    LAUNCH,
    finished_run,
    forget_launch,
    inputs_key,
    record_launch,
)
from interphase_flows.references.vasp_input import (
    INITIAL_MOMENT_BOHR,
    INPUT_FILES,
    POTCAR_MEND,
    grouped,
    incar,
    input_set,
    k_points,
    species_order,
    write_inputs,
)
from interphase_flows.references.vasp_output import VaspResult, read_result
from interphase_flows.references.vasp_potentials import potentials
from interphase_flows.settings import Settings

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

FIXED_TAGS = ("PREC", "ISMEAR", "LASPH", "ISYM")
"""Tags of the input set that no key of a campaign file changes, and that change numbers."""

CANNOT_START = (126, 127)
"""Exit status of a shell or launcher that found no program, or a program that found no library."""

VASP_POLICY: Policy = MappingProxyType(
    {
        # what VASP itself complains of is custodian's; this is what happens to it from outside
        "killed": (RESTART, RESTART),
        "garbage_output": (START_OVER,),
    }
)


class VASPMethod:
    """Labels by VASP, one run under custodian per label.

    Parameters
    ----------
    spec
        Level of theory, the same for every cell.
    settings
        How VASP is started on this machine, and how its processes share the work; they change no number.
    policy
        What is tried again after a run that ended without output.
    poll_interval_s
        Between two looks at a running VASP.
    reads_potentials
        Whether POTCARs are written; only their names (``POTCAR.spec``) if False, for inputs without a licence.
    """

    def __init__(
        self,
        spec: VaspSpec,
        settings: Settings,
        policy: Policy = VASP_POLICY,
        poll_interval_s: float = 2.0,
        reads_potentials: bool = True,
    ) -> None:
        self.spec, self._settings, self._policy = spec, settings, policy
        self._poll_interval_s, self._reads_potentials = poll_interval_s, reads_potentials

    @functools.cached_property
    def identity(self) -> MethodIdentity:
        """VASP's version, the title of every potential, and every tag that can change a number.

        atomate2 and pymatgen are not part of it: they write what this package tells them, whatever their version.
        """
        titles = {element: each.title for element, each in potentials(self.spec.potentials).items()}
        tags = incar(self.spec)
        settings: dict[str, str | float | int | bool] = {
            **self.spec.model_dump(mode="json", exclude={"method", "code_version"}),
            **{tag: tags[tag] for tag in FIXED_TAGS},
            "energy": "free energy",
            "smearing": "Gaussian",
            "start_magnetic_moment_bohr_magnetons": INITIAL_MOMENT_BOHR if self.spec.spin_polarized else 0.0,
            # of every element, whichever a campaign has; the details of a label spell its own out
            "potential_titles_hash": content_key("potential titles", **titles),
        }
        version = self.spec.code_version
        return MethodIdentity(
            name="vasp",
            code="VASP",
            version=version,
            is_surrogate=False,
            settings=settings,
            key=content_key("method", name="vasp", version=version, settings=settings),
        )

    def calculator(self) -> Calculator:
        """Return a calculator whose every evaluation is a run of VASP; energies are free energies."""
        return _LabelCalculator(self)

    def supports(self, atoms: Atoms) -> str | None:
        """Refuse elements without a potential, and cells that are not periodic throughout."""
        missing = sorted(set(atoms.symbols) - set(potentials(self.spec.potentials)))
        if missing:
            return f"no VASP potential of {self.spec.potentials} is chosen for {', '.join(missing)}"
        if not atoms.pbc.all() or abs(np.linalg.det(atoms.cell.array)) < 1e-6:
            return "plane waves need a cell that is periodic in three directions; put the atoms in a box"
        return None

    def command(self) -> list[str]:
        """Return how VASP is started on this machine.

        Raises
        ------
        SettingsError
            Nobody says how, or there is no such program.
        """
        told = self._settings.vasp_command or os.environ.get(COMMAND_VARIABLE)
        command = shlex.split(os.path.expandvars(told)) if told else []
        if not command:
            raise SettingsError(f"how VASP is started is not known: {COMMAND_MEND}")
        if shutil.which(command[0]) is None:
            raise SettingsError(
                f"VASP's command `{told}`: there is no program {command[0]!r}; {COMMAND_MEND}, and load its module"
            )
        return command

    def check_potentials(self, elements: Iterable[str]) -> None:
        """Read the potentials of elements, as a label would.

        Raises
        ------
        SettingsError
            One is missing, or of another release than `VaspSpec.potentials`.
        """
        from pymatgen.io.vasp.inputs import PmgVaspPspDirError, PotcarSingle

        release = self.spec.potentials
        for element in elements:
            wanted = potentials(release)[element]
            try:
                found = PotcarSingle.from_symbol_and_functional(wanted.symbol, release)
            except (PmgVaspPspDirError, FileNotFoundError) as error:
                raise SettingsError(f"VASP's potentials ({release}): {error}; {POTCAR_MEND}") from error
            title = " ".join(str(found.TITEL).split())
            if title != wanted.title:
                raise SettingsError(
                    f"VASP's potential of {element} is `{title}`, and {release} has `{wanted.title}`: {POTCAR_MEND}"
                )

    def write_inputs(self, atoms: Atoms, folder: Path, start: dict[str, int] | None = None) -> Path:
        """Write VASP's inputs of a label into a folder, and return the folder.

        Raises
        ------
        SettingsError
            A potential is not where pymatgen looks for it.
        """
        inputs = input_set(
            self.spec, grouped(atoms), self._settings.vasp_parallel, start, not self._reads_potentials
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_inputs(inputs, folder)
        return folder

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Return free energy (eV), forces (eV/Å) and stress (eV/Å³), by VASP under custodian.

        Raises
        ------
        ReferenceMethodError
            After custodian and the policy gave up, with the reason, VASP's files, and what was tried.
        SettingsError
            This machine lacks VASP or its potentials.
        WalltimeReachedError
            Time ran out; wave functions and density are kept in the folder.
        """
        reason = self.supports(atoms)
        if reason:
            raise ReferenceMethodError(reason, "unsupported")
        command = self.command()
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="interphase-vasp-") as temporary:
                raw = self._label(atoms, Path(temporary), command)
                return RawLabel(**{**vars(raw), "files": ()})
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return self._label(atoms, folder, command)

    def _label(self, atoms: Atoms, folder: Path, command: list[str]) -> RawLabel:
        retried: list[Correction] = []
        failures: Counter[str] = Counter()
        key = inputs_key(grouped(atoms), self.spec)
        with _locked(folder) as lock:
            found = finished_run(folder, key, grouped(atoms), self.spec)
            if found is not None:
                # whoever asked for this label before was killed between the end of VASP and the ledger
                found.result.details[IS_CONTINUED] = True
                return _raw_label(found.result, species_order(atoms), found.corrections, _kept_files(folder))
            while True:
                try:
                    return self._run(atoms, folder, command, lock, key, retried)
                except ReferenceMethodError as error:
                    forget_launch(folder)
                    action = next_action(self._policy, error.reason, failures[error.reason])
                    if action is None:
                        raise
                    failures[error.reason] += 1
                    if action.start == "scratch":
                        shutil.rmtree(folder / KEPT, ignore_errors=True)
                    retried.append(correction(type(self).__name__, error.reason, action))

    def _run(
        self,
        atoms: Atoms,
        folder: Path,
        command: list[str],
        lock: int,
        key: str,
        retried: list[Correction],
    ) -> RawLabel:
        # seconds to import: custodian's handlers bring pymatgen
        from interphase_flows.references.vasp_run import (
            LabelJob,
            failure_reason,
            gamma_command,
            last_words,
            run_under_custodian,
        )

        formula, began = atoms.get_chemical_formula(), time.monotonic()
        end = deadline(self._settings)
        end.check(f"the label of {formula}")
        for name in STALE:  # what an earlier launch left cannot be taken for this one's
            (folder / name).unlink(missing_ok=True)
        start = _start_from_kept(folder)
        self.write_inputs(atoms, folder, start)
        record_launch(folder, key, retried)
        if k_points(self.spec, atoms) == (1, 1, 1):
            command = gamma_command(command)

        def look() -> None:
            seconds = time.monotonic() - began
            emit("scf", _n_scf_steps(folder), self.spec.max_scf_steps, f"{formula}, {seconds:.0f} s")

        job = LabelJob(command, lock, self._settings.memory_limit_gb)
        was_stopped, given_up = run_under_custodian(job, folder, end, self._poll_interval_s, look)
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
                f"walltime reached ({end.set_by}) in the label of {formula}; {kept}, and `interphase resume` goes on"
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
    forces = np.empty_like(result.forces_ev_per_angstrom)
    forces[order] = result.forces_ev_per_angstrom
    if result.deviations:
        corrections = [
            *corrections,
            Correction(
                handler="vasprun.xml", errors=list(result.deviations), actions=[], changes_theory=True
            ),
        ]
    return RawLabel(
        energy_ev=result.energy_ev,
        forces_ev_per_angstrom=forces,
        stress_ev_per_angstrom3=result.stress_ev_per_angstrom3,
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


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the folder, after waiting for whoever calculates there; the lock is VASP's as well while it lives."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


class _LabelCalculator(Calculator):
    """Every evaluation a label, its energy the free energy, so that relaxations and labels speak of one energy."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, method: VASPMethod) -> None:
        super().__init__()
        self._method = method

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if atoms is None:
            raise ReferenceMethodError("VASP was asked to label nothing: pass the atoms")
        raw = self._method.label(atoms)
        if not raw.is_scf_converged:
            raise ReferenceMethodError(
                f"the SCF cycle of {atoms.get_chemical_formula()} did not converge", "scf_not_converged"
            )
        if any(each.changes_theory for each in raw.corrections):
            raise ReferenceMethodError(
                f"the level of theory of {atoms.get_chemical_formula()} was changed", "theory_changed"
            )
        self.results = {
            "energy": raw.energy_ev,
            "free_energy": raw.energy_ev,
            "forces": raw.forces_ev_per_angstrom,
            "stress": raw.stress_ev_per_angstrom3,
        }
