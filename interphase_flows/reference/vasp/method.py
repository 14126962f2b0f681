"""VASP: density-functional theory for those who have its licence.

Kresse & Furthmüller, Phys. Rev. B 54, 11169 (1996); Kresse & Joubert, Phys. Rev. B 59, 1758 (1999).  Inputs are
written by atomate2's generator with the campaign's own input set (`vasp_static`), runs are launched again where that
helps (`vasp_launches`) and watched by custodian (`vasp_run`), and what counts is read from VASP's own output
(`vasp_output`).
"""

import functools
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.k_points import MESH_RULE
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.retry_policy import Policy
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.attempts import (
    COMMAND_MEND,
    COMMAND_VARIABLE,
    VASP_POLICY,
    VaspLaunches,
)
from interphase_flows.reference.vasp.incar import INITIAL_MOMENT_BOHR, grouped, incar
from interphase_flows.reference.vasp.pseudopotentials import POTCAR_HINT, potentials
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings

FIXED_TAGS = ("PREC", "ISMEAR", "LASPH", "ISYM")
"""Tags of the input set that no key of a campaign file changes, and that change numbers."""


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
            "k_point_mesh": MESH_RULE,
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
                raise SettingsError(f"VASP's potentials ({release}): {error}. {POTCAR_HINT}") from error
            title = " ".join(str(found.TITEL).split())
            if title != wanted.title:
                raise SettingsError(
                    f"VASP's potential of {element} is `{title}`, and {release} has `{wanted.title}`. {POTCAR_HINT}"
                )

    def write_inputs(self, atoms: Atoms, folder: Path, start: dict[str, int] | None = None) -> Path:
        """Write VASP's inputs of a label into a folder, and return the folder.

        Raises
        ------
        SettingsError
            A potential is not where pymatgen looks for it.
        """
        from interphase_flows.reference.vasp.input_set import (  # takes seconds to import
            input_set,
            write_inputs,
        )

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
        launches = VaspLaunches(
            self.spec,
            self._settings,
            self.command(),
            self._policy,
            self._poll_interval_s,
            self._reads_potentials,
        )
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="interphase-vasp-") as temporary:
                raw = launches.label(atoms, Path(temporary))
                return RawLabel(**{**vars(raw), "files": ()})
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return launches.label(atoms, folder)


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
            "energy": raw.energy_eV,
            "free_energy": raw.energy_eV,
            "forces": raw.forces_eV_per_angstrom,
            "stress": raw.stress_eV_per_angstrom3,
        }
