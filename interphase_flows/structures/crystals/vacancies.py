"""Supercells with one vacancy, on each symmetrically distinct site in turn."""

from itertools import chain, zip_longest

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.perturb import repeated, strained_and_rattled
from interphase_flows.structures.crystals.symmetry import site_orbits


def distinct_sites(atoms: Atoms) -> list[int]:
    """Return one atom of each crystallographic orbit, as indices.

    The order is by rank within the element, then alphabetical by element: first one site of every element, then the
    second site of every element, and so on. Without a cell `StructureError` is raised.
    """
    first_of_orbit = np.unique(site_orbits(atoms))
    symbols = atoms.get_chemical_symbols()
    by_element = [
        sorted(int(site) for site in first_of_orbit if symbols[site] == element) for element in sorted(set(symbols))
    ]
    return [site for site in chain.from_iterable(zip_longest(*by_element)) if site is not None]


def vacancies(atoms: Atoms, n: int, min_atoms: int, rattle_angstrom: float, seed: int) -> list[Atoms]:
    """Return `n` rattled supercells with one neutral vacancy each.

    The crystal is repeated to at least `min_atoms` atoms (4 or more) before one is removed. The sites of
    `distinct_sites` are used in turn, and again with other displacements if there are more supercells than sites. The
    first k supercells of a seed do not depend on `n`. ``info`` has the keys ``removed`` (element), ``site`` (index of
    the atom in `atoms`) and ``vacancy_fraction`` (of that element's atoms).

    Raises
    ------
    StructureError
        A parameter is out of range, or `atoms` has no cell.
    OverlappingAtomsError
        The rattle is too large.
    """
    if n < 0 or min_atoms < 4 or rattle_angstrom < 0.0:
        raise StructureError(
            f"vacancies: n={n}, min_atoms={min_atoms}, rattle_angstrom={rattle_angstrom}; required: n >= 0, "
            "min_atoms >= 4 and rattle_angstrom >= 0"
        )
    sites = distinct_sites(atoms)
    supercell = repeated(atoms, min_atoms)
    seeds = np.random.default_rng(seed).integers(0, 2**31, n)
    defects = []
    for index in range(n):
        site = sites[index % len(sites)]  # indices of the first copy are the same in the supercell
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
