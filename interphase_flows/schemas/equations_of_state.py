"""Equations of state of bulk phases by the reference method and by a committee."""

from pydantic import BaseModel

from interphase_flows.analysis.results import Unavailable
from interphase_flows.schemas.document import Document


class Equilibrium(BaseModel):
    """Minimum of a Birch-Murnaghan fit for a crystal of fixed cell shape and fractional coordinates."""

    volume_angstrom3_per_atom: float
    bulk_modulus_GPa: float


class PhaseEquationOfState(BaseModel):
    """Stress against volume of one crystal, and its equilibrium volume.

    Lists are over the scaled cells, densest first. Stresses are the mean of the three normal components, tension
    positive; of the committee, those of the member that drives the dynamics, and the standard deviation over all members.
    """

    volume_angstrom3_per_atom: list[float]
    reference_stress_GPa: list[float]
    potential_stress_GPa: list[float]
    potential_stress_std_GPa: list[float]
    reference: Equilibrium | Unavailable
    potential: Equilibrium | Unavailable

    @property
    def volume_error(self) -> float | None:
        """Relative error of the equilibrium volume of the potential; None without one of the two minima."""
        if isinstance(self.potential, Unavailable) or isinstance(self.reference, Unavailable):
            return None
        return self.potential.volume_angstrom3_per_atom / self.reference.volume_angstrom3_per_atom - 1.0


class EquationsOfStateDoc(Document):
    """Equations of state of the phases of a campaign, at the labelled volumes."""

    committee_key: str
    dataset_key: str
    phases: dict[str, PhaseEquationOfState]
