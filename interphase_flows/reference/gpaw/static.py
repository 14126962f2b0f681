"""atomate2's Maker of a static GPAW calculation: for a label, and for anybody's own flow."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ase.calculators.calculator import Calculator
from atomate2.ase.jobs import AseRelaxMaker

from interphase_flows.reference.gpaw.calculator import GpawSubprocess
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.settings import load_settings


@dataclass
class GpawStaticMaker(AseRelaxMaker):
    """Energy, forces and stress of one structure by GPAW, nothing moved.

    GPAW runs in a process of its own, under custodian, below the working folder; how it is started, its memory
    and its time are this machine's settings.

    Parameters
    ----------
    name
        Of the job.
    spec
        Level of theory.
    """

    name: str = "GPAW static"
    relax_cell: bool = False
    steps: int = 0
    # verbose keeps atomate2 from swallowing what others print meanwhile; GPAW itself prints nothing
    relax_kwargs: dict = field(default_factory=lambda: {"final_atoms_object_file": None, "verbose": True})
    spec: GpawSpec = field(default_factory=GpawSpec)

    def _get_calculator(self) -> Calculator:
        return GpawSubprocess(self.spec, load_settings(), Path.cwd() / "gpaw")

    def using(self, calculator: GpawSubprocess) -> Self:
        """Run with a calculator that is at hand, and return this Maker."""
        self._calculator = calculator
        return self
