"""Crystals with one atom missing, sites that symmetry tells apart in turn."""

from itertools import chain, zip_longest

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.perturb import repeated, strained_and_rattled
from interphase_flows.structures.crystals.symmetry import site_orbits


def distinct_sites(atoms: Atoms) -> list[int]:
    """One atom of every kind of site: a site of each element first, then the second sites of each, and so on.

    Kinds are the crystallographic orbits. Elements are in alphabetical order, the sites of one in order of
    index.

    Raises
    ------
    StructureError
        If `atoms` has no cell.
    """
    first_of_orbit = np.unique(site_orbits(atoms))
    symbols = atoms.get_chemical_symbols()
    by_element = [
        sorted(int(site) for site in first_of_orbit if symbols[site] == element)
        for element in sorted(set(symbols))
    ]
    return [site for site in chain.from_iterable(zip_longest(*by_element)) if site is not None]


def vacancies(atoms: Atoms, n: int, min_atoms: int, rattle_angstrom: float, seed: int) -> list[Atoms]:
    """Supercells with one neutral vacancy each, rattled.

    Parameters
    ----------
    atoms
        Crystal.
    n
        How many. The sites of `distinct_sites` are taken in turn; when all are used, they come again with
        another rattle.
    min_atoms
        The crystal is repeated until it has as many, before the atom is taken out; at least 4.
    rattle_angstrom
        Standard deviation of a displacement's component, in Å.
    seed
        Of the displacements; the first k of n are those of n=k.

    Returns
    -------
    defects
        Stoichiometry is that of the supercell without one atom; ``info`` holds ``removed`` (element),
        ``site`` (index of the atom in `atoms`) and ``vacancy_fraction`` (of that element's atoms).

    Raises
    ------
    StructureError
        If a parameter is out of range, or `atoms` has no cell.
    OverlappingAtomsError
        If the rattle is too large.
    """
    if n < 0 or min_atoms < 4 or rattle_angstrom < 0.0:
        raise StructureError(
            f"vacancies: n={n}, min_atoms={min_atoms}, rattle_angstrom={rattle_angstrom}; needed are n >= 0, "
            "min_atoms >= 4 and rattle_angstrom >= 0"
        )
    sites = distinct_sites(atoms)
    supercell = repeated(atoms, min_atoms)
    seeds = np.random.default_rng(seed).integers(0, 2**31, n)
    defects = []
    for index in range(n):
        site = sites[index % len(sites)]  # an atom of the first copy has the same index in the supercell
        element = supercell.symbols[site]
        lacking = supercell.copy()
        del lacking[site]
        (defect,) = strained_and_rattled(lacking, 1, 0.0, rattle_angstrom, int(seeds[index]))
        defect.info.update(
            removed=element,
            site=site,
            vacancy_fraction=1.0 / supercell.get_chemical_symbols().count(element),
        )
        defects.append(defect)
    return defects
