"""Lattice constants of a reference method."""

from dataclasses import dataclass

from pydantic import BaseModel

from interphase_flows.schemas.document import Document


@dataclass(frozen=True)
class MeasuredLattice:
    """Lattice constants of a crystal in Å; ``c_angstrom`` is None for a cubic one."""

    a_angstrom: float
    c_angstrom: float | None
    temperature: str
    source: str


class VolumePoint(BaseModel):
    """Energy at one volume."""

    volume_angstrom3_per_atom: float
    energy_eV_per_atom: float


class LatticeConstants(BaseModel):
    """Equilibrium of a crystal of fixed cell shape, from a Birch-Murnaghan fit.

    ``c_angstrom`` is None for cubic crystals. The c/a ratio is not fitted; ``stress_anisotropy_GPa``,
    ``s_zz - (s_xx + s_yy) / 2`` of the cell nearest to the minimum, shows its error.
    """

    a_angstrom: float
    c_angstrom: float | None
    volume_angstrom3_per_atom: float
    energy_eV_per_atom: float
    bulk_modulus_GPa: float
    rms_residual_meV_per_atom: float
    n_points: int
    stress_anisotropy_GPa: float
    points: list[VolumePoint]
    measured: list[MeasuredLattice]


class LatticeConstantsDoc(Document):
    """Lattice constants of several phases by one reference method."""

    label_keys: list[str]
    method: str
    phases: dict[str, LatticeConstants]
    wall_time_s: float
