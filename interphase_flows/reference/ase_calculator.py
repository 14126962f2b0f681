"""Any ASE calculator as a reference method, by its import path."""

import json
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import resolve_name

from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.exceptions import InputError, ReferenceMethodError
from interphase_flows.reference.labelling import RawLabel, method_identity
from interphase_flows.reference.spec import CalculatorSpec
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings


class CalculatorMethod:
    """Labels by an ASE calculator that computes energy, forces and stress."""

    def __init__(self, spec: CalculatorSpec, settings: Settings | None = None) -> None:
        self.spec = spec

    @property
    def identity(self) -> MethodIdentity:
        """Import path, arguments and version of the package."""
        package = self.spec.name.partition(".")[0]
        try:
            package_version = version(package)
        except PackageNotFoundError:
            package_version = "unknown"
        settings = {"calculator": self.spec.name, "arguments": json.dumps(self.spec.arguments, sort_keys=True)}
        short = self.spec.name.rpartition(".")[2]
        return method_identity(short, package, package_version, {**settings}, is_surrogate=self.spec.is_surrogate)

    def calculator(self) -> Calculator:
        """Return a new calculator.

        Raises
        ------
        InputError
            The class cannot be imported, or does not accept the arguments.
        """
        name = self.spec.name
        try:
            factory = resolve_name(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(
                f"calculator {name!r} cannot be imported: {error}. Hint: give the import path of a class, such as "
                "ase.calculators.emt.EMT, of an installed package"
            ) from error
        try:
            return factory(**self.spec.arguments)
        except Exception as error:  # third-party code
            raise InputError(f"calculator {name}: arguments {self.spec.arguments} are not accepted: {error}") from error

    def supports(self, atoms: Atoms) -> str | None:
        """Return None: ASE calculators do not list their elements; `label` raises for unsupported ones."""
        return None

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Return energy (eV), forces (eV/Å) and stress (eV/Å³); the folder is not used."""
        labelled = atoms.copy()
        labelled.calc = self._calculator
        try:
            return RawLabel(float(labelled.get_potential_energy()), labelled.get_forces(), labelled.get_stress())
        except Exception as error:  # third-party code; only this label fails
            raise ReferenceMethodError(
                f"{self.spec.name} failed on {atoms.get_chemical_formula()}: {type(error).__name__}: {error}"
            ) from error

    @cached_property
    def _calculator(self) -> Calculator:
        return self.calculator()
