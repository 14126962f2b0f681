"""atomate2 Maker of a static GPAW calculation, for use in other flows."""

from dataclasses import dataclass, field
from pathlib import Path

from ase.calculators.calculator import Calculator
from atomate2.ase.jobs import AseRelaxMaker

from interphase_flows.reference.gpaw.method import GPAWMethod
from interphase_flows.reference.labelling import LabelCalculator
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.settings import load_settings


@dataclass
class GpawStaticMaker(AseRelaxMaker):
    """Compute energy, forces and stress of one structure by GPAW at one level of theory.

    GPAW runs in a subprocess in the folder ``gpaw`` of the working directory; its command, memory limit and walltime
    are settings of the machine.
    """

    name: str = "GPAW static"
    relax_cell: bool = False
    steps: int = 0
    # verbose: otherwise atomate2 redirects the standard output of all threads
    relax_kwargs: dict = field(default_factory=lambda: {"final_atoms_object_file": None, "verbose": True})
    spec: GpawSpec = field(default_factory=GpawSpec)

    def _get_calculator(self) -> Calculator:
        method, folder = GPAWMethod(self.spec, load_settings()), Path.cwd() / "gpaw"
        return LabelCalculator(lambda atoms: method.label(atoms, folder))
