"""Settings of the ordering of partial occupancies."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ORDERED_SUFFIX = ".extxyz"
"""Extension of the files of a campaign that are ordered."""
MOST_ATOMS = 1000
MOST_ORDERINGS = 50

Charge = Annotated[float, Field(ge=-8.0, le=8.0)]


class OrderingSettings(BaseModel):
    """How partial occupancies become an ordered structure.

    Parameters
    ----------
    charges
        Charge of every element in e; by default those of the file, or oxidation states guessed from the composition.
    cell
        ``smallest``: repeats of the cell of the file or, if that gives fewer sites, of the primitive cell; ``file``: of
        the cell of the file only.
    max_atoms
        Largest number of atoms in the cell.
    max_occupancy_deviation
        Largest difference between the occupancy of an element on a site of the file and in the cell. Occupancies that no
        cell reproduces, such as 0.691, are rounded within this limit.
    rank
        Which of the orderings to use, by electrostatic energy; the lowest is 1.
    seed
        Seed of the random numbers of the annealing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    charges: dict[str, Charge] = {}
    cell: Literal["smallest", "file"] = "smallest"
    max_atoms: Annotated[int, Field(ge=1, le=MOST_ATOMS)] = 200
    max_occupancy_deviation: Annotated[float, Field(ge=0.0, le=0.5)] = 0.005
    rank: Annotated[int, Field(ge=1, le=MOST_ORDERINGS)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
