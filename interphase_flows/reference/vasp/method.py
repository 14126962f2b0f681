"""VASP: plane-wave density-functional theory (licensed).

Kresse & Furthmüller, Phys. Rev. B 54, 11169 (1996); Kresse & Joubert, Phys. Rev. B 59, 1758 (1999). atomate2's generator
writes the inputs with the campaign's own input set (`input_set`), `labeller` runs the attempts at a label, custodian
corrects errors (`run`), and results are read from VASP's own output (`output`).
"""

import functools
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.attempts import VASP_POLICY, Policy
from interphase_flows.reference.command import split_command
from interphase_flows.reference.k_points import MESH_RULE
from interphase_flows.reference.labelling import (
    LabelCalculator,
    RawLabel,
    method_identity,
    missing_periodicity,
)
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import INITIAL_MOMENT_BOHR, POTCAR_HINT, incar, potentials
from interphase_flows.reference.vasp.labeller import COMMAND_HINT, COMMAND_VARIABLE, VaspLabeller
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings

FIXED_TAGS = ("PREC", "ISMEAR", "LASPH", "ISYM")
"""Tags that change numbers and that no key of a campaign file sets."""


class VASPMethod:
    """Label structures with VASP, each in a run under custodian.

    Command and parallelisation are settings of the machine; they change no number. The other parameters are those of
    `VaspLabeller`.
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

        The versions of atomate2 and pymatgen are not part of it: this package sets every tag that they write.
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
            # of all elements; the details of a label list the titles that it used
            "potential_titles_hash": content_key("potential titles", **titles),
        }
        return method_identity("vasp", "VASP", self.spec.code_version, settings)

    def calculator(self) -> Calculator:
        """Return a calculator that runs VASP at every evaluation; its energy is the free energy."""
        return LabelCalculator(self._accepted_label)

    def supports(self, atoms: Atoms) -> str | None:
        """Return which elements have no potential, or that the cell is not periodic; None if supported."""
        missing = sorted(set(atoms.symbols) - set(potentials(self.spec.potentials)))
        if missing:
            return f"no VASP potential of {self.spec.potentials} is chosen for {', '.join(missing)}"
        return missing_periodicity(atoms)

    def command(self) -> list[str]:
        """Return the command of VASP on this machine; a missing one is a SettingsError."""
        text = self._settings.vasp_command or os.environ.get(COMMAND_VARIABLE)
        if not text:
            raise SettingsError(f"the command of VASP is not set. {COMMAND_HINT}")
        command = split_command(os.path.expandvars(text), "VASP's command", COMMAND_HINT)
        if shutil.which(command[0]) is None:
            raise SettingsError(
                f"VASP's command `{text}`: there is no program {command[0]!r}. {COMMAND_HINT}, and load its module"
            )
        return command

    def check_potentials(self, elements: Iterable[str]) -> None:
        """Read the potentials of elements, as a label does.

        Raises
        ------
        SettingsError
            A potential is missing, or of another release than `VaspSpec.potentials`.
        """
        from pymatgen.io.vasp.inputs import PmgVaspPspDirError, PotcarSingle

        release = self.spec.potentials
        chosen = potentials(release)
        for element in elements:
            if element not in chosen:
                continue  # `supports` reports it
            expected = chosen[element]
            try:
                potcar = PotcarSingle.from_symbol_and_functional(expected.symbol, release)
            except (PmgVaspPspDirError, FileNotFoundError) as error:
                raise SettingsError(f"VASP's potentials ({release}): {error}. {POTCAR_HINT}") from error
            title = " ".join(str(potcar.TITEL).split())
            if title != expected.title:
                raise SettingsError(
                    f"VASP's potential of {element} is `{title}`; {release} has `{expected.title}`. {POTCAR_HINT}"
                )

    def machine_checks(self, elements: Sequence[str], starts_programs: bool = True) -> Mapping[str, Callable[[], str]]:
        """Return the checks of VASP's command and potentials; VASP is not run, which a login node may forbid."""

        def found_potentials() -> str:
            self.check_potentials(elements)
            return f"{self.spec.potentials}: {', '.join(elements)}, with the expected titles"

        return {
            "VASP's command": lambda: f"`{shlex.join(self.command())}`; it was not run",
            "VASP's potentials": found_potentials,
        }

    def write_inputs(self, atoms: Atoms, folder: Path, start: dict[str, int] | None = None) -> Path:
        """Write VASP's inputs of a label into a folder, and return the folder."""
        from interphase_flows.reference.vasp.input_set import write_inputs  # takes seconds to import

        folder.mkdir(parents=True, exist_ok=True)
        write_inputs(self.spec, atoms, folder, self._settings.vasp_parallel, start, self._reads_potentials)
        return folder

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Return free energy (eV), forces (eV/Å) and stress (eV/Å³), by VASP under custodian.

        Raises
        ------
        ReferenceMethodError
            Custodian and the policy gave up; has the reason, VASP's files and the corrections.
        SettingsError
            This machine lacks VASP or its potentials.
        WalltimeReachedError
            Stopped at the deadline; wave functions and density are kept in the folder.
        """
        reason = self.supports(atoms)
        if reason:
            raise ReferenceMethodError(reason, "unsupported")
        labeller = VaspLabeller(
            self.spec,
            self._settings,
            self.command(),
            self._policy,
            self._poll_interval_s,
            self._reads_potentials,
        )
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="interphase-vasp-") as temporary:
                return replace(labeller.label(atoms, Path(temporary)), files=())
        return labeller.label(atoms, Path(folder).absolute())

    def _accepted_label(self, atoms: Atoms) -> RawLabel:
        """Return a label; raise if its SCF cycle did not converge or its level of theory was changed."""
        raw, formula = self.label(atoms), atoms.get_chemical_formula()
        if not raw.is_scf_converged:
            raise ReferenceMethodError(f"the SCF cycle of {formula} did not converge", "scf_not_converged")
        if any(correction.changes_theory for correction in raw.corrections):
            raise ReferenceMethodError(f"a correction changed the level of theory of {formula}", "theory_changed")
        return raw
