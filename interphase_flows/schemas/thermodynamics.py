"""Energies of relaxed phases, and the thermodynamics predicted from them."""

from typing import Literal

from pydantic import Field

from interphase_flows.schemas.document import Document
from interphase_flows.thermodynamics.results import ThermodynamicsResult


class RelaxedPhaseDoc(Document):
    """Energy of one phase by the reference method, in a relaxed geometry."""

    phase: str
    counts: dict[str, int]
    """Atoms in the cell by element."""
    cell: Literal["fixed", "relaxed"]
    geometry_method: str
    energy_method: str
    energy_eV: float
    volume_angstrom3: float
    max_force_eV_per_angstrom: float
    """In the relaxed geometry, by the method of the geometry."""
    is_converged: bool
    n_steps: int
    input_keys: list[str]
    label_key: str | None = None
    """Label of the relaxed structure; None if the surrogate relaxes and returns the energy."""
    label_max_force_eV_per_angstrom: float | None = None
    label_stress_eV_per_angstrom3: list[float] | None = None


class ThermodynamicsDoc(Document):
    """Predicted reaction products and electrochemical window of electrode and electrolyte."""

    phase_keys: list[str]
    """Keys of the relaxed phases."""
    geometry_methods: list[str]
    energy_methods: list[str]
    cells: list[Literal["fixed", "relaxed"]] = Field(default_factory=list)
    prediction: ThermodynamicsResult
