"""Names and conventions of labels in files of other programs.

Apart from the readers, since campaign files contain them and every command reads a campaign file.
"""

from typing import Annotated, Literal, Self

from ase.units import GPa
from pydantic import BaseModel, ConfigDict, Field, model_validator

KeyName = Annotated[str, Field(min_length=1, max_length=80)]
StressUnit = Literal["eV/angstrom3", "GPa", "kbar"]
UNITS_eV_PER_ANGSTROM3: dict[str, float] = {"eV/angstrom3": 1.0, "GPa": GPa, "kbar": 0.1 * GPa}


class LabelConventions(BaseModel):
    """Names and conventions of labels in extxyz files; names that are not given are recognised.

    Parameters
    ----------
    energy, forces, stress, virial
        Names of the labels; at most one of ``stress`` and ``virial``.
    stress_unit
        Unit of the stress; a virial is in eV.
    stress_is_positive_under
        ``tension`` as in ASE, ``compression`` as in VASP's output. A virial is positive under compression.
    origin
        Name of the entry that states which frames belong together, such as ``config_type``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    energy: KeyName | None = None
    forces: KeyName | None = None
    stress: KeyName | None = None
    virial: KeyName | None = None
    stress_unit: StressUnit = "eV/angstrom3"
    stress_is_positive_under: Literal["tension", "compression"] = "tension"
    origin: KeyName | None = None

    @property
    def stated_names(self) -> dict[str, str | None]:
        """Names of the labels and of the origin, None where it is to be recognised."""
        return {name: getattr(self, name) for name in ("energy", "forces", "stress", "virial", "origin")}

    @model_validator(mode="after")
    def _one_stress(self) -> Self:
        if self.stress is not None and self.virial is not None:
            raise ValueError("give the name of a stress or of a virial, not of both")
        return self
