"""Interfaces large enough for both bulk phases, by repeating a small coherent interface in the plane.

The lattice match is searched in small areas only, because the number of candidates grows with the square of the area.
The matched stack of electrode and electrolyte is built once, with the requested thicknesses, and then repeated, which
keeps every anion intact and takes no time: a cell of 500,000 atoms differs from one of 5,000 only by its repeats.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.symmetry import Miller
from interphase_flows.structures.interfaces.builder import (
    BuiltInterface,
    InterfaceSpec,
    assemble_interface,
    n_atoms_of_match,
    requested_cut,
)
from interphase_flows.structures.interfaces.lattice_matching import (
    LatticeMatch,
    lattice_matches,
)
from interphase_flows.structures.interfaces.oriented_cells import oriented_cell

MAX_MATCH_AREA_ANGSTROM2 = 400.0
"""Largest area of a lattice match; the search takes about a second."""
SIMILAR_SIZE = 1.25
"""Of the cells up to this size relative to the smallest, the one of lowest strain is built."""


@dataclass(frozen=True)
class ProductionCellSpec:
    """Specification of a production cell.

    Parameters
    ----------
    electrode, electrolyte
        Names of phases of the library, or of the crystals that are passed to `build_production_cell`.
    electrode_miller, electrolyte_miller
        Faces in the cells of the phases.
    electrode_angstrom, electrolyte_angstrom
        Smallest thicknesses in Å: number of lattice planes times their distance, rounded up. Between its outermost
        atoms a slab may be up to one plane thinner.
    lateral_angstrom
        Smallest distance between opposite sides of the cell in the plane, in Å.
    max_strain
        Largest principal strain of the electrode.
    termination, seed
        Index of the cut of the electrolyte, from the flattest; seed of the in-plane shift of the electrode.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    electrode_miller: Miller = (1, 1, 0)
    electrolyte_miller: Miller = (0, 0, 1)
    electrode_angstrom: float = 45.0
    electrolyte_angstrom: float = 55.0
    lateral_angstrom: float = 18.0
    gap_angstrom: float = 2.2
    max_strain: float = 0.02
    termination: int = 0
    seed: int = 0


@dataclass(frozen=True)
class PlannedCell:
    """A production cell before it is built."""

    interface: InterfaceSpec
    film: Atoms
    substrate: Atoms
    match: LatticeMatch
    repeats: tuple[int, int]
    """Of the matched stack along its in-plane vectors."""

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        tile = n_atoms_of_match(self.match, self.film, self.substrate, self.interface)
        return tile * self.repeats[0] * self.repeats[1]

    def build(self) -> BuiltInterface:
        """Build the cell; raises OverlappingAtomsError if the gap is so small that atoms of both sides overlap."""
        tile = assemble_interface(self.interface, self.match, self.film, self.substrate)
        n_tiles = self.repeats[0] * self.repeats[1]
        return replace(
            tile,
            atoms=tile.atoms.repeat((*self.repeats, 1)),
            n_broken_units=tile.n_broken_units * n_tiles,
            area_angstrom2=tile.area_angstrom2 * n_tiles,
        )


def plan_production_cell(
    spec: ProductionCellSpec, electrode: Atoms | None = None, electrolyte: Atoms | None = None
) -> PlannedCell:
    """Find the lattice match, the layers and the repeats of a production cell.

    By default the crystals are the phases of the library of those names.

    Raises
    ------
    StructureError
        A length is out of range, there is no lattice match or no such termination, or the anions are not molecules.
    """
    _check_lengths(spec)
    film, substrate = (
        oriented_cell(load_phase(name) if crystal is None else crystal, miller)
        for crystal, name, miller in (
            (electrode, spec.electrode, spec.electrode_miller),
            (electrolyte, spec.electrolyte, spec.electrolyte_miller),
        )
    )
    interface = InterfaceSpec(
        electrode=spec.electrode,
        electrolyte=spec.electrolyte,
        film_miller=spec.electrode_miller,
        substrate_miller=spec.electrolyte_miller,
        gap_angstrom=spec.gap_angstrom,
        max_strain=spec.max_strain,
        termination=spec.termination,
        seed=spec.seed,
        film_layers=ceil(spec.electrode_angstrom / film.cell.array[2, 2]),
        substrate_layers=ceil(spec.electrolyte_angstrom / substrate.cell.array[2, 2]),
    )
    planned = PlannedCell(interface, film, substrate, *_smallest_match(spec, film, substrate))
    requested_cut(interface, substrate)  # raises
    return planned


def build_production_cell(
    spec: ProductionCellSpec, electrode: Atoms | None = None, electrolyte: Atoms | None = None
) -> BuiltInterface:
    """Build a production cell; strain, gap and broken anions are recorded as for a small interface.

    Raises
    ------
    StructureError
        As `plan_production_cell`.
    OverlappingAtomsError
        The gap is so small that atoms of both sides overlap.
    """
    return plan_production_cell(spec, electrode, electrolyte).build()


def _smallest_match(spec: ProductionCellSpec, film: Atoms, substrate: Atoms) -> tuple[LatticeMatch, tuple[int, int]]:
    """Return a match and its repeats in the plane: the lowest strain among cells of about the smallest area."""
    matches = lattice_matches(film, substrate, spec.max_strain, MAX_MATCH_AREA_ANGSTROM2)
    if not matches:
        raise StructureError(
            f"no match of {spec.electrode}{spec.electrode_miller} on {spec.electrolyte}{spec.electrolyte_miller} within "
            f"max_strain={spec.max_strain} and {MAX_MATCH_AREA_ANGSTROM2:g} Å². Hint: increase max_strain or choose "
            "other faces"
        )
    in_plane = substrate.cell.array[:2, :2]
    sized = []
    for match in matches:  # by increasing strain
        vectors = match.substrate_transformation @ in_plane
        area = abs(float(np.linalg.det(vectors)))
        # the distance between two sides is the area divided by their length
        heights = area / np.linalg.norm(vectors[::-1], axis=1)
        repeats = (ceil(spec.lateral_angstrom / heights[0]), ceil(spec.lateral_angstrom / heights[1]))
        sized.append((area * repeats[0] * repeats[1], match, repeats))
    smallest = min(area for area, _, _ in sized)
    return next((match, repeats) for area, match, repeats in sized if area <= SIMILAR_SIZE * smallest)


def _check_lengths(spec: ProductionCellSpec) -> None:
    for name, least, most in (
        ("electrode_angstrom", 5.0, 5000.0),
        ("electrolyte_angstrom", 5.0, 5000.0),
        ("lateral_angstrom", 5.0, 2000.0),
    ):
        value = getattr(spec, name)
        if not least <= value <= most:
            raise StructureError(f"{name}={value}: must be between {least:g} and {most:g} Å")
