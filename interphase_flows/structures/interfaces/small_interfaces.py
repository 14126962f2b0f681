"""Interfaces small enough for a laptop, at a few per cent of strain on the electrode."""

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

LOOKED_AT_FACES: dict[str, tuple[Miller, ...]] = {
    "Li": ((1, 1, 0), (1, 0, 0), (1, 1, 1)),
    "Li7P3S11": ((0, 1, 1), (0, 0, 1), (1, 0, 0), (0, 1, 0)),
}
"""Faces of the package's own crystals that are tried, in this order; of other crystals all those of indices 0 and 1."""
LEAST_FILM_LAYERS = 3
LEAST_SUBSTRATE_ANGSTROM = 5.5
"""Height of the electrolyte: a plane of Li7P3S11 is higher, one of Li6PS5Cl (110) is not."""
MOST_FILM_HEIGHTS = 2.0
"""Height of the electrode over that of the electrolyte."""


def laptop_specs(
    max_atoms: int = 90,
    max_strain: float = 0.05,
    min_film_layers: int = LEAST_FILM_LAYERS,
    gap_angstrom: float = 2.2,
    seed: int = 0,
    pair: tuple[str, str] = ("Li", "Li7P3S11"),
    ends: tuple[Atoms, Atoms] | None = None,
) -> list[InterfaceSpec]:
    """Specifications of small interfaces, one per pair of faces that match, lowest strain first.

    Each has as many planes of the electrolyte as make `LEAST_SUBSTRATE_ANGSTROM`, and as many planes of the electrode
    as `max_atoms` allows, but at least `min_film_layers`, and more than those only up to twice the electrolyte's
    height: more of it would be a bath. Small cells match badly: a few per cent of strain on the electrode instead of
    below one.

    Parameters
    ----------
    max_atoms, max_strain, min_film_layers
        Bounds of the search.
    gap_angstrom, seed
        See `InterfaceSpec`.
    pair
        Names of electrode and electrolyte.
    ends
        Their crystals, if not the package's own of those names.
    """
    film_faces, substrate_faces = (
        _faces(name, None if ends is None else ends[side]) for side, name in enumerate(pair)
    )
    found: list[tuple[float, int, InterfaceSpec]] = []
    for film_miller, substrate_miller in product(film_faces, substrate_faces):
        spec = InterfaceSpec(
            electrode=pair[0],
            electrolyte=pair[1],
            film_miller=film_miller,
            substrate_miller=substrate_miller,
            film_layers=min_film_layers,
            gap_angstrom=gap_angstrom,
            max_strain=max_strain,
            max_atoms=max_atoms,
            seed=seed,
        )
        filled = filled_spec(spec, ends)
        if filled is not None:
            found.append((abs(filled[0]), len(found), filled[1]))
    return [spec for _, _, spec in sorted(found)]


def _faces(name: str, crystal: Atoms | None) -> Sequence[Miller]:
    if crystal is None:
        return LOOKED_AT_FACES.get(name) or distinct_faces(load_phase(name), 1)
    return distinct_faces(crystal, 1)


def filled_spec(
    spec: InterfaceSpec, ends: tuple[Atoms, Atoms] | None = None
) -> tuple[float, InterfaceSpec] | None:
    """Strain and specification with as many planes of electrode as `max_atoms` allows; None without a match."""
    substrate_plane = oriented_cell(
        load_phase(spec.electrolyte) if ends is None else ends[1], spec.substrate_miller
    )
    plane_angstrom = substrate_plane.cell.array[2, 2]
    spec = replace(spec, substrate_layers=ceil(LEAST_SUBSTRATE_ANGSTROM / plane_angstrom))
    film, substrate, match = best_match(spec, *(ends or ()))
    if match is None:
        return None
    n_substrate = n_atoms_of_match(match, film, substrate, replace(spec, film_layers=0))
    per_layer = n_atoms_of_match(match, film, substrate, replace(spec, film_layers=1)) - n_substrate
    enough = round(MOST_FILM_HEIGHTS * spec.substrate_layers * plane_angstrom / film.cell.array[2, 2])
    layers = min((spec.max_atoms - n_substrate) // per_layer, max(enough, spec.film_layers))
    return match.principal_strain, replace(spec, film_layers=layers)


def laptop_interface(
    variant: int = 0,
    seed: int = 0,
    gap_angstrom: float = 2.2,
    max_atoms: int = 90,
    max_strain: float = 0.05,
    min_film_layers: int = LEAST_FILM_LAYERS,
    termination: int = 0,
    pair: tuple[str, str] = ("Li", "Li7P3S11"),
    ends: tuple[Atoms, Atoms] | None = None,
) -> BuiltInterface:
    """Build a small interface: by default 84 atoms of Li/Li7P3S11 with 2.8 % of strain (compression) on lithium.

    Parameters
    ----------
    variant
        Which pair of faces, in the order of `laptop_specs`: 0 has the lowest strain.
    seed
        Draws the in-plane shift of the electrode.
    gap_angstrom
        Empty height at either interface, in Å.
    max_atoms, max_strain, min_film_layers
        Bounds of the search.
    termination
        Which cut of the electrolyte, counted from the flattest. Different variants, terminations, seeds and
        gaps are siblings for tests on interfaces that trained nothing.
    pair
        Names of electrode and electrolyte.
    ends
        Their crystals, if not the package's own of those names.

    Raises
    ------
    StructureError
        If there are not so many variants or terminations.
    OverlappingAtomsError
        If the gap is too small.
    """
    specs = laptop_specs(max_atoms, max_strain, min_film_layers, gap_angstrom, seed, pair, ends)
    if not 0 <= variant < len(specs):
        raise StructureError(
            f"laptop_interface: variant={variant}, but {len(specs)} pair(s) of faces of {pair[0]} and {pair[1]} match "
            f"within max_atoms={max_atoms}, max_strain={max_strain}, min_film_layers={min_film_layers}: "
            "raise a bound"
        )
    return build_interface(replace(specs[variant], termination=termination), *(ends or ()))
