"""Roles of elements in an interphase: mobile cation, network former, anion former.

Roles follow from the elements of electrode and electrolyte; bond lengths follow from the first minima of radial
distribution functions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import Element

from interphase_flows.analysis.geometry.frames import FrameSource, mask_of, numbers_of
from interphase_flows.analysis.geometry.rdf_cutoffs import bond_cutoff_angstrom
from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.exceptions import AnalysisError

CHALCOGEN_GROUPS = frozenset({16, 17})
"""Groups of the periodic table whose elements form simple anions: chalcogens and halogens."""


@dataclass(frozen=True)
class Roles:
    """Chemical symbols of the elements with each role."""

    mobile_cations: frozenset[str]
    network_formers: frozenset[str]
    anion_formers: frozenset[str]


def roles_of(electrode: Iterable[str], electrolyte: Iterable[str]) -> Roles:
    """Determine the roles of elements from those of electrode and electrolyte.

    Elements of both are mobile. Chalcogens and halogens of the electrolyte form anions, and its other elements networks;
    a binary electrolyte such as Li2S or Li3P has only one of these.

    Raises
    ------
    AnalysisError
        An element is unknown, the two share no element, or the electrolyte has no other element.
    """
    electrode, electrolyte = set(electrode), set(electrolyte)
    numbers_of(electrode | electrolyte)
    mobile = electrode & electrolyte
    rest = electrolyte - mobile
    anions = {symbol for symbol in rest if Element(symbol).group in CHALCOGEN_GROUPS}
    if not mobile or not rest:
        raise AnalysisError(
            f"electrode {sorted(electrode)} and electrolyte {sorted(electrolyte)} do not determine which element is "
            "mobile, which forms networks and which forms anions. Hint: the two share the mobile element, and the "
            "electrolyte has another one"
        )
    return Roles(frozenset(mobile), frozenset(rest - anions), frozenset(anions))


def measured_chemistry(frames: FrameSource, roles: Roles, *, every: int = 1) -> AnionChemistry:
    """Determine the longest bonds from the first minima of radial distribution functions.

    If a role has several elements, the longest cutoff of their pairs is used for all. A pair that is never bonded in
    these frames, such as P-P in Li7P3S11, has its first peak at the next-nearest neighbours; its cutoff is the lowest
    g(r) below 1.5 times the sum of the covalent radii, so that bonds that form later are detected.

    Raises
    ------
    AnalysisError
        The trajectory is empty or lacks the elements of a role.
    """
    return chemistry_within(
        frames, roles, lambda first, second: bond_cutoff_angstrom(frames, first, second, every=every)
    )


def chemistry_within(frames: FrameSource, roles: Roles, cutoff_angstrom: Callable[[str, str], float]) -> AnionChemistry:
    """Return the longest bonds, from a function of cutoffs in Å by pair of elements; see `measured_chemistry`.

    Raises
    ------
    AnalysisError
        The trajectory is empty.
    """
    formers, ligands = (
        [s for s in sorted(role) if mask_of(frames.numbers, {s}).any()]
        for role in (roles.network_formers, roles.anion_formers)
    )

    def longest(first: list[str], second: list[str]) -> float:
        # no bond between elements of which one is not there
        return max((cutoff_angstrom(a, b) for a in first for b in second), default=0.0)

    return AnionChemistry(
        anion_centres=roles.network_formers,
        ligands=roles.anion_formers,
        centre_ligand_angstrom=longest(formers, ligands),
        centre_centre_angstrom=longest(formers, formers),
        ligand_ligand_angstrom=longest(ligands, ligands),
    )


def molecular_chemistry(
    frames: FrameSource, roles: Roles, cutoff_angstrom: Callable[[str, str], float]
) -> AnionChemistry:
    """Return `chemistry_within` without monatomic anions: elements that bind no centre in the first frame.

    Cl- in Li6PS5Cl is such an anion. Without any bonded ligand all are kept.

    Raises
    ------
    AnalysisError
        The trajectory lacks the elements of a role.
    """
    chemistry = chemistry_within(frames, roles, cutoff_angstrom)
    numbers = np.asarray(frames.numbers)
    units = classify_environments(frames.positions(0), frames.cell(0), numbers, chemistry).atom_units
    with_centre = np.isin(units, units[mask_of(numbers, chemistry.anion_centres)])
    bonded = frozenset(s for s in roles.anion_formers if mask_of(numbers, {s})[with_centre].any())
    if not bonded:
        return chemistry
    return chemistry_within(frames, replace(roles, anion_formers=bonded), cutoff_angstrom)
