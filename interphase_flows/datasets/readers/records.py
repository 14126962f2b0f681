"""Labelled frames of other programs, as the readers return them."""

from dataclasses import dataclass
from typing import Final

from ase import Atoms

from interphase_flows.reference.labelling import RawLabel
from interphase_flows.schemas.origin import Origin

UNREADABLE: Final = "unreadable"
"""Detail of a frame that cannot be read: why. Also the name of its origin."""


@dataclass(frozen=True)
class ForeignLabel:
    """A labelled frame of another program.

    ``where`` is its place for messages; ``origin`` is None where the file does not say which frames belong together.
    ``run_start`` is the first ionic step of its run, whose cell determines the k-point mesh of all steps; None for other
    frames.
    """

    atoms: Atoms
    raw: RawLabel
    where: str
    origin: Origin | None = None
    run_start: Atoms | None = None

    @property
    def file(self) -> str:
        """File of the frame, or store and calculation."""
        return self.where.rpartition(", ")[0]
