"""What a campaign file says about its reference method: one frozen spec per method.

Every key that can change a number is part of the method's identity, and so of every label's key: labels of
two specs never meet in one data set.  What cannot change a number (threads, commands, folders) is a setting
of the machine.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.settings import Settings

if TYPE_CHECKING:
    from interphase_flows.reference.labelling import ReferenceMethod

Positive = Annotated[float, Field(gt=0.0)]


class MethodSpec(BaseModel, ABC):
    """Base of the specs; ``build`` returns the method on a machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str

    @abstractmethod
    def build(self, settings: Settings) -> "ReferenceMethod":
        """Return the method; imports what it needs only now."""


class ChgnetSpec(MethodSpec):
    """CHGNet's weights: a surrogate, for trying things out, never to be called DFT."""

    method: Literal["chgnet"] = "chgnet"

    def build(self, settings: Settings) -> "ReferenceMethod":
        """Return CHGNet on this machine."""
        from interphase_flows.reference.chgnet import CHGNetMethod

        return CHGNetMethod(device=settings.device, n_threads=settings.n_threads)


class GpawSpec(MethodSpec):
    """Density-functional theory by GPAW with plane waves; one level for every cell, metal and salt alike.

    ``k_density_per_inverse_angstrom`` is the number of k-points per Å⁻¹ along each reciprocal vector (Gamma
    included); ``gamma_above_atoms`` is the number of atoms from which Gamma alone is used.  Atoms are a poor measure:
    Li7P3S11 has 42 and a vector of 6.2 Å, and Gamma alone puts its forces off by 0.6 eV/Å (docs/dft_settings.md).
    """

    method: Literal["gpaw"] = "gpaw"
    functional: Literal["PBE", "PBEsol"] = "PBE"
    cutoff_eV: Positive = 350.0
    k_density_per_inverse_angstrom: Positive = 3.0
    gamma_above_atoms: Annotated[int, Field(ge=1)] = 200
    smearing_eV: Positive = 0.1
    spin_polarized: bool = False
    scf_energy_tolerance_eV_per_electron: Positive = 1e-5
    scf_density_tolerance_per_electron: Positive = 1e-4
    max_scf_steps: Annotated[int, Field(ge=1)] = 150

    def build(self, settings: Settings) -> "ReferenceMethod":
        """Return GPAW."""
        from interphase_flows.reference.gpaw.method import GPAWMethod

        return GPAWMethod(self, settings)


class VaspSpec(MethodSpec):
    """Density-functional theory by VASP (its licence is the user's); one level for every cell.

    ``smearing_eV`` is SIGMA with Gaussian occupations (ISMEAR 0); ``k_density_per_inverse_angstrom`` as for GPAW.
    ``code_version`` is compared with what VASP itself says: ``6`` takes any 6.x.y, ``6.4`` any 6.4.y.
    """

    method: Literal["vasp"] = "vasp"
    code_version: Annotated[str, Field(pattern=r"^\d+(\.\d+){0,2}$")] = "6"
    functional: Literal["PBE", "PBEsol", "r2SCAN"] = "PBEsol"
    cutoff_eV: Positive = 520.0
    k_density_per_inverse_angstrom: Positive = 3.0
    gamma_above_atoms: Annotated[int, Field(ge=1)] = 200
    smearing_eV: Positive = 0.1
    spin_polarized: bool = False
    scf_energy_tolerance_eV: Positive = 1e-5
    real_space_projection: bool = False
    potentials: Literal["PBE_54", "PBE_64"] = "PBE_54"
    max_scf_steps: Annotated[int, Field(ge=1)] = 150

    def build(self, settings: Settings) -> "ReferenceMethod":
        """Return VASP on this machine; that it and its potentials are there is asked when the first label is."""
        from interphase_flows.reference.vasp.method import VASPMethod

        return VASPMethod(self, settings)


METHOD_SPECS: tuple[type[MethodSpec], ...] = (ChgnetSpec, GpawSpec, VaspSpec)
"""The methods a campaign file may name."""
