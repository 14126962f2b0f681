"""Interfaces of Li and Li7P3S11 small enough for a laptop, at a few per cent of strain on lithium."""

from dataclasses import replace
from itertools import product

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.interfaces import (
    BuiltInterface,
    InterfaceSpec,
    best_match,
    build_interface,
    n_atoms_of_match,
)
from interphase_flows.structures.planes import Miller

LAPTOP_SUBSTRATE_FACES: tuple[Miller, ...] = ((0, 1, 1), (0, 0, 1), (1, 0, 0), (0, 1, 0))
LAPTOP_FILM_FACES: tuple[Miller, ...] = ((1, 1, 0), (1, 0, 0), (1, 1, 1))
LEAST_FILM_LAYERS = 3


def laptop_specs(
    max_atoms: int = 90,
    max_strain: float = 0.05,
    min_film_layers: int = LEAST_FILM_LAYERS,
    gap_angstrom: float = 2.2,
    seed: int = 0,
) -> list[InterfaceSpec]:
    """Specifications of small Li/Li7P3S11 interfaces, one per pair of faces, lowest strain first.

    Each has one plane of the electrolyte and as many planes of lithium as `max_atoms` allows, but at least
    `min_film_layers`. Small cells match badly: a few per cent of strain on lithium instead of below one.
    """
    found: list[tuple[float, int, InterfaceSpec]] = []
    for film_miller, substrate_miller in product(LAPTOP_FILM_FACES, LAPTOP_SUBSTRATE_FACES):
        spec = InterfaceSpec(
            film_miller=film_miller,
            substrate_miller=substrate_miller,
            film_layers=min_film_layers,
            gap_angstrom=gap_angstrom,
            max_strain=max_strain,
            max_atoms=max_atoms,
            seed=seed,
        )
        filled = filled_spec(spec)
        if filled is not None:
            found.append((abs(filled[0]), len(found), filled[1]))
    return [spec for _, _, spec in sorted(found)]


def filled_spec(spec: InterfaceSpec) -> tuple[float, InterfaceSpec] | None:
    """Strain and specification with as many planes of lithium as `max_atoms` allows; None without a match."""
    film, substrate, match = best_match(spec)
    if match is None:
        return None
    n_substrate = n_atoms_of_match(match, film, substrate, replace(spec, film_layers=0))
    per_layer = n_atoms_of_match(match, film, substrate, spec) - n_substrate
    layers = (spec.max_atoms - n_substrate) * spec.film_layers // per_layer
    return match.principal_strain, replace(spec, film_layers=layers)


def laptop_interface(
    variant: int = 0,
    seed: int = 0,
    gap_angstrom: float = 2.2,
    max_atoms: int = 90,
    max_strain: float = 0.05,
    min_film_layers: int = LEAST_FILM_LAYERS,
    termination: int = 0,
) -> BuiltInterface:
    """Build a small Li/Li7P3S11 interface: by default 84 atoms and 2.8 % of strain (compression) on lithium.

    Parameters
    ----------
    variant
        Which pair of faces, in the order of `laptop_specs`: 0 has the lowest strain.
    seed
        Draws the in-plane shift of lithium.
    gap_angstrom
        Empty height at either interface, in Å.
    max_atoms, max_strain, min_film_layers
        Bounds of the search.
    termination
        Which cut of the electrolyte, counted from the flattest. Different variants, terminations, seeds and
        gaps are siblings for tests on interfaces that trained nothing.

    Raises
    ------
    StructureError
        If there are not so many variants or terminations.
    OverlappingAtomsError
        If the gap is too small.
    """
    specs = laptop_specs(max_atoms, max_strain, min_film_layers, gap_angstrom, seed)
    if not 0 <= variant < len(specs):
        raise StructureError(
            f"laptop_interface: variant={variant}, but {len(specs)} pair(s) of faces match within "
            f"max_atoms={max_atoms}, max_strain={max_strain}, min_film_layers={min_film_layers}: "
            "raise a bound"
        )
    return build_interface(replace(specs[variant], termination=termination))
