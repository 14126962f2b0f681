"""Record of how a crystal with partial occupancies was ordered."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class OrderedSites(BaseModel):
    """Equivalent sites: occupancies in the file and in the ordered cell."""

    model_config = ConfigDict(frozen=True)

    n_sites: int
    """In the ordered cell."""
    position: tuple[float, float, float]
    """Fractional coordinates of one of the sites in the cell of the file."""
    occupancies_of_file: dict[str, float]
    n_atoms: dict[str, int]


class OrderingRecord(BaseModel):
    """How a crystal with partial occupancies was ordered, and the energies of the orderings."""

    model_config = ConfigDict(frozen=True)

    source: str
    source_sha256: str
    package_version: str
    charges_e: dict[str, float]
    source_of_charges: str
    basis: Literal["cell of the file", "primitive cell"] = "cell of the file"
    supercell: tuple[int, int, int]
    """Repeats of the basis."""
    n_atoms: int
    composition_of_file: dict[str, float]
    """Atoms in the supercell by the occupancies of the file."""
    composition: dict[str, int]
    largest_occupancy_deviation: float
    sites: list[OrderedSites]
    """Partly occupied sites."""
    method: str
    n_arrangements: float
    """Number of ways to distribute the atoms, equivalent ones included."""
    seed: int
    electrostatic_energies_eV: list[float]
    """Ewald energy of point charges in the cell, for each ordering; the lowest first."""
    largest_shifts_angstrom: list[float]
    """Largest shift of an atom from its site, for each ordering: atoms closer than any bond are moved apart."""
