"""GPAW: density-functional theory with plane waves that anybody can install.

Mortensen et al., J. Chem. Phys. 160, 092503 (2024). The energy of a label is the free energy E - TS of the
smeared electrons, because that is what GPAW's forces and stress are derivatives of; the energy extrapolated to
zero smearing is kept among the label's details.
"""

import contextlib
import functools
import tempfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.gpaw.calculator import GpawSubprocess
from interphase_flows.reference.gpaw.input import START_MAGNETIC_MOMENT_BOHR_MAGNETONS, gpaw_parameters
from interphase_flows.reference.k_points import MESH_RULE
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.retry_policy import GPAW_POLICY, Policy
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings

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
    SettingsError
        GPAW is not installed.
    """

    def __init__(self, spec: GpawSpec, settings: Settings, policy: Policy = GPAW_POLICY) -> None:
        try:
            self._version, self._setups_version = version("gpaw"), version("gpaw-data")
        except PackageNotFoundError:
            raise SettingsError(_HOW_TO_INSTALL) from None
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
        if self.spec.gamma_above_atoms > 1:  # else no cell has a mesh
            settings["k_point_mesh"] = MESH_RULE
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
        from interphase_flows.reference.gpaw.static import GpawStaticMaker  # atomate2 takes seconds to load

        with contextlib.ExitStack() as stack:
            is_temporary = folder is None
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interphase-gpaw-")))
            calculator = GpawSubprocess(self.spec, self._settings, folder, self._policy)
            GpawStaticMaker(spec=self.spec).using(calculator).run_ase(atoms.copy())
            if calculator.raw is None:
                raise ReferenceMethodError(f"atomate2 never asked GPAW for {atoms.get_chemical_formula()}")
            return replace(calculator.raw, files=()) if is_temporary else calculator.raw


class _FreeEnergyCalculator(Calculator):
    """GPAW in this process, its energy the free energy, so that relaxations and labels speak of one energy."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, spec: GpawSpec) -> None:
        super().__init__()
        self._spec = spec
        self._parameters: dict[str, Any] = {}
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

        parameters = gpaw_parameters(self._spec, atoms)
        if (
            parameters != self._parameters
        ):  # else kept, and started from: wave functions of the last positions
            self._parameters, self._inner = parameters, GPAW(**parameters, txt=None)
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
        raise SettingsError(_HOW_TO_INSTALL)
    setups = Path(found.origin).parent / "setups"
    return frozenset(path.name.removesuffix(".PBE.gz") for path in setups.glob("*.PBE.gz"))
