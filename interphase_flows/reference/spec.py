"""Specs: the settings of a reference method that a campaign file can give, one frozen model per method.

Every key that can change a number is part of the method's identity and so of every label's key: labels of two specs
are never mixed in one dataset. Threads, commands and folders cannot change a number; they are settings of the machine.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Cutoff = Annotated[float, Field(ge=10.0, le=10_000.0)]
KDensity = Annotated[float, Field(ge=0.01, le=50.0)]
Smearing = Annotated[float, Field(ge=1e-6, le=10.0)]
Tolerance = Annotated[float, Field(ge=1e-15, le=1.0)]
AtomCount = Annotated[int, Field(ge=1, le=1_000_000)]
ScfSteps = Annotated[int, Field(ge=1, le=1_000_000)]


class MethodSpec(BaseModel):
    """Base class of the specs.

    ``implementation`` is the method as ``module:name``, imported when it is needed and called with the spec and the
    settings of the machine; it returns an `interphase_flows.reference.labelling.ReferenceMethod`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    implementation: ClassVar[str]
    method: str


class CalculatorSpec(MethodSpec):
    """Any ASE calculator by its import path, as a reference method or a potential.

    ``name`` is such as ``ase.calculators.emt.EMT``, ``arguments`` are keyword arguments in JSON. ``is_surrogate`` is
    False only for a first-principles code.
    """

    implementation: ClassVar[str] = "interphase_flows.reference.ase_calculator:CalculatorMethod"
    method: Literal["ase"] = "ase"
    name: str
    arguments: dict[str, JsonValue] = {}
    is_surrogate: bool = True


class ChgnetSpec(MethodSpec):
    """CHGNet, a pretrained universal potential: a surrogate for DFT."""

    implementation: ClassVar[str] = "interphase_flows.reference.chgnet:CHGNetMethod"
    method: Literal["chgnet"] = "chgnet"


class GpawSpec(MethodSpec):
    """Plane-wave density-functional theory by GPAW, with one level of theory for every cell.

    ``k_density_per_inverse_angstrom`` is the number of k-points per Å⁻¹ along each reciprocal vector (Gamma
    included); cells of ``gamma_above_atoms`` atoms or more use Gamma alone. The number of atoms is a poor measure of
    the cell's length: Li7P3S11 has 42 atoms and a vector of 6.2 Å, and Gamma alone changes its forces by 0.6 eV/Å
    (docs/dft_settings.md).
    """

    implementation: ClassVar[str] = "interphase_flows.reference.gpaw.method:GPAWMethod"
    method: Literal["gpaw"] = "gpaw"
    functional: Literal["PBE", "PBEsol"] = "PBE"
    cutoff_eV: Cutoff = 350.0
    k_density_per_inverse_angstrom: KDensity = 3.0
    gamma_above_atoms: AtomCount = 200
    smearing_eV: Smearing = 0.1
    spin_polarized: bool = False
    scf_energy_tolerance_eV_per_electron: Tolerance = 1e-5
    scf_density_tolerance_per_electron: Tolerance = 1e-4
    max_scf_steps: ScfSteps = 150


class VaspSpec(MethodSpec):
    """Plane-wave density-functional theory by VASP (licensed), with one level of theory for every cell.

    ``smearing_eV`` is SIGMA with Gaussian occupations (ISMEAR 0); ``k_density_per_inverse_angstrom`` as for GPAW.
    ``code_version`` is compared with the version in VASP's output: ``6`` matches any 6.x.y, ``6.4`` any 6.4.y.
    """

    implementation: ClassVar[str] = "interphase_flows.reference.vasp.method:VASPMethod"
    method: Literal["vasp"] = "vasp"
    code_version: Annotated[str, Field(pattern=r"^\d+(\.\d+){0,2}$")] = "6"
    functional: Literal["PBE", "PBEsol", "r2SCAN"] = "PBEsol"
    cutoff_eV: Cutoff = 520.0
    k_density_per_inverse_angstrom: KDensity = 3.0
    gamma_above_atoms: AtomCount = 200
    smearing_eV: Smearing = 0.1
    spin_polarized: bool = False
    scf_energy_tolerance_eV: Tolerance = 1e-5
    real_space_projection: bool = False
    potentials: Literal["PBE_54", "PBE_64"] = "PBE_54"
    max_scf_steps: ScfSteps = 150
