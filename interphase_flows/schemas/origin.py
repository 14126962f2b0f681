"""Origin of a structure: the unit in which a dataset is split."""

from typing import Any, Final, Literal, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

CRYSTAL: Final = "crystal"
INTERFACE: Final = "interface"
EXPLORATION: Final = "explore"
AUDIT: Final = "audit"
PRODUCTION: Final = "production"
CUTOUT: Final = "cutout"
THERMODYNAMICS: Final = "thermodynamics"
DIMER: Final = "dimer"
ATOM: Final = "atom"
IMPORTED: Final = "imported"
EQUATION_OF_STATE: Final = " equation of state"
"""End of the name of a crystal at several volumes."""

_FIXED_SPLITS: dict[str, Literal["train", "test"]] = {
    CRYSTAL: "train",
    EXPLORATION: "train",
    CUTOUT: "train",
    AUDIT: "test",
}


class Origin(str):
    """Provenance of a structure, written ``family/name``: one crystal, one trajectory, one walker.

    Frames of one origin are correlated, so a dataset is split by origin. Documents store an origin as a string;
    only this class parses it.
    """

    __slots__ = ()

    @classmethod
    def of(cls, family: str, name: str) -> Self:
        """Return the origin of a family and a name."""
        return cls(f"{family}/{name}")

    @property
    def family(self) -> str:
        """Origins of similar structures, such as ``crystal`` or ``audit``."""
        return self.partition("/")[0]

    @property
    def name(self) -> str:
        """Name within the family, such as a phase or a run."""
        return self.partition("/")[2]

    @property
    def scaled_phase(self) -> str | None:
        """Phase of a crystal at several volumes; None for all other structures."""
        if self.family != CRYSTAL or not self.name.endswith(EQUATION_OF_STATE):
            return None
        return self.name.removesuffix(EQUATION_OF_STATE)

    @property
    def is_isolated(self) -> bool:
        """Whether this is an atom or a dimer in an empty box.

        Such frames teach the short-range repulsion. Their energies do not belong to the composition of a solid, so
        they are excluded from the energy window and from the fit of atomic energies.
        """
        return self.family in (ATOM, DIMER)

    @property
    def is_interface(self) -> bool:
        """Whether the structure is an interface of the campaign, as built or from dynamics of the loop."""
        return self.family in (INTERFACE, AUDIT, EXPLORATION)

    @property
    def is_in_label_budget(self) -> bool:
        """Whether labels of this origin count towards ``learning.max_labels``."""
        return self.family not in (THERMODYNAMICS, PRODUCTION, IMPORTED)

    @property
    def fixed_split(self) -> Literal["train", "test"] | None:
        """Split of all origins of this family; None where they are drawn.

        Crystals, explored frames and cells cut out of production train, audit frames test.
        """
        return _FIXED_SPLITS.get(self.family)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate from a string, serialise to a string."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )
