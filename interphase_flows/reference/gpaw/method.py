"""GPAW: plane-wave density-functional theory, freely available.

Mortensen et al., J. Chem. Phys. 160, 092503 (2024). The energy of a label is the free energy E - TS of the smeared
electrons, of which GPAW's forces and stress are the derivatives. The energy extrapolated to zero smearing is kept in the
label's details.
"""

import functools
import tempfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.gpaw.input import (
    INITIAL_MOMENT_BOHR,
    GpawParameters,
    gpaw_parameters,
    with_initial_moments,
)
from interphase_flows.reference.gpaw.labeller import compute_label
from interphase_flows.reference.k_points import MESH_RULE
from interphase_flows.reference.labelling import (
    LabelCalculator,
    RawLabel,
    method_identity,
    missing_periodicity,
)
from interphase_flows.reference.retry_policy import GPAW_POLICY, Policy
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings

_NOT_INSTALLED = (
    "GPAW is not installed. Hint: run `apt-get install -y --no-install-recommends libxc-dev libopenblas-dev "
    "libopenmpi-dev gcc`, then `pip install 'interphase-flows[gpaw]'`"
)


class GPAWMethod:
    """Labels by GPAW, each in a subprocess.

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
