"""atomate2's Maker of a static GPAW calculation: for a label, and for anybody's own flow."""

from dataclasses import dataclass, field
from typing import Any

from ase.calculators.calculator import Calculator
from atomate2.ase.jobs import AseRelaxMaker


@dataclass
class GpawStaticMaker(AseRelaxMaker):
    """Energy, forces and stress of one structure by GPAW, nothing moved.

    Parameters
    ----------
    name
        Of the job.
    calculator_kwargs
        GPAW's parameters, as `interphase_flows.references.gpaw_input.gpaw_parameters` returns them, and ``txt``.
    density
        A ``.gpw`` file with wave functions to start from; its parameters hold, but for the mixer and the largest
        number of SCF steps.
    """

    name: str = "GPAW static"
    relax_cell: bool = False
    steps: int = 0
    relax_kwargs: dict = field(default_factory=lambda: {"final_atoms_object_file": None})
    density: str | None = None

    def _get_calculator(self) -> Calculator:
        from gpaw import GPAW  # an extra: this module can be read without it

        if self.density is None:
            return GPAW(**self.calculator_kwargs)
        hooks: dict[str, Any] = {
            name: (lambda stored, new=self.calculator_kwargs[name]: new)
            for name in ("mixer", "maxiter")
            if name in self.calculator_kwargs
        }
        return GPAW(self.density, txt=self.calculator_kwargs.get("txt"), object_hooks=hooks)
