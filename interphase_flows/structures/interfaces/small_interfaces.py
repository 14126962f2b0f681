"""Smallest matching interfaces of two crystals, with a few per cent of strain in the electrode."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import ceil

from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.symmetry import Miller, distinct_faces
from interphase_flows.structures.interfaces.builder import (
    BuiltInterface,
    InterfaceSpec,
    best_match,
    build_interface,
    n_atoms_of_match,
)
from interphase_flows.structures.interfaces.oriented_cells import oriented_cell

DEFAULT_FACES: dict[str, tuple[Miller, ...]] = {
    "Li": ((1, 1, 0), (1, 0, 0), (1, 1, 1)),
    "Li7P3S11": ((0, 1, 1), (0, 0, 1), (1, 0, 0), (0, 1, 0)),
}
"""Faces that are tried for phases of the library, in this order; for other crystals all of indices 0 and 1."""
MIN_FILM_LAYERS = 3
MIN_SUBSTRATE_ANGSTROM = 5.5
"""Smallest thickness of the electrolyte: one plane of Li7P3S11, several of Li6PS5Cl (110)."""
MAX_FILM_HEIGHTS = 2.0
"""Largest thickness of the electrode relative to the electrolyte."""
SMALLEST = InterfaceSpec(film_layers=MIN_FILM_LAYERS, max_strain=0.05, max_atoms=90)
"""Default bounds of a small interface; its faces are those of the match of lowest strain."""


def small_interface_specs(
    spec: InterfaceSpec = SMALLEST, ends: tuple[Atoms, Atoms] | None = None
) -> list[InterfaceSpec]:
    """Return specifications of small interfaces, one per matching pair of faces, lowest strain first.

    The electrolyte has the fewest planes that reach `MIN_SUBSTRATE_ANGSTROM`. The electrode has as many planes as
    `max_atoms` allows, at least `film_layers`, and no more than `MAX_FILM_HEIGHTS` times the thickness of the
    electrolyte. Small cells match with a few per cent of strain, where larger ones reach less than one. `ends` are the
    crystals of electrode and electrolyte, by default the phases of the library.
    """
    film_faces, substrate_faces = (
        _faces(name, None if ends is None else ends[side])
        for side, name in enumerate((spec.electrode, spec.electrolyte))
    )
    found: list[tuple[float, int, InterfaceSpec]] = []
    for film_miller, substrate_miller in product(film_faces, substrate_faces):
        faced = replace(spec, film_miller=film_miller, substrate_miller=substrate_miller)
        filled = fill_with_electrode(faced, ends)
        if filled is not None:
            found.append((abs(filled[0]), len(found), filled[1]))
    return [filled_spec for _, _, filled_spec in sorted(found)]


def _faces(name: str, crystal: Atoms | None) -> Sequence[Miller]:
    if crystal is None:
        return DEFAULT_FACES.get(name) or distinct_faces(load_phase(name), 1)
    return distinct_faces(crystal, 1)


def fill_with_electrode(
    spec: InterfaceSpec, ends: tuple[Atoms, Atoms] | None = None
) -> tuple[float, InterfaceSpec] | None:
    """Return strain and specification with as many planes of electrode as `max_atoms` allows; None without a match."""
    substrate_plane = oriented_cell(load_phase(spec.electrolyte) if ends is None else ends[1], spec.substrate_miller)
    plane_angstrom = substrate_plane.cell.array[2, 2]
    spec = replace(spec, substrate_layers=ceil(MIN_SUBSTRATE_ANGSTROM / plane_angstrom))
    film, substrate, match = best_match(spec, *(ends or ()))
    if match is None:
        return None
    n_substrate = n_atoms_of_match(match, film, substrate, replace(spec, film_layers=0))
    per_layer = n_atoms_of_match(match, film, substrate, replace(spec, film_layers=1)) - n_substrate
    enough = round(MAX_FILM_HEIGHTS * spec.substrate_layers * plane_angstrom / film.cell.array[2, 2])
    layers = min((spec.max_atoms - n_substrate) // per_layer, max(enough, spec.film_layers))
    return match.principal_strain, replace(spec, film_layers=layers)


def small_interface(
    spec: InterfaceSpec = SMALLEST, variant: int = 0, ends: tuple[Atoms, Atoms] | None = None
) -> BuiltInterface:
    """Build a small interface: by default 84 atoms of Li/Li7P3S11 with lithium compressed by 2.8 %.

    `variant` is the index of the pair of faces in `small_interface_specs`: 0 has the lowest strain.

    Raises
    ------
    StructureError
        There is no such variant or termination.
    OverlappingAtomsError
        The gap is too small.
    """
    specs = small_interface_specs(spec, ends)
    if not 0 <= variant < len(specs):
        raise StructureError(
            f"small_interface: variant={variant}, but {len(specs)} pair(s) of faces of {spec.electrode} and "
            f"{spec.electrolyte} match within max_atoms={spec.max_atoms}, max_strain={spec.max_strain}, "
            f"film_layers={spec.film_layers}. Hint: increase a bound"
        )
    return build_interface(specs[variant], *(ends or ()))
