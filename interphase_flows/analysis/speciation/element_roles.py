"""Which element does what in an interphase: moves, forms networks, or makes anions.

Nothing here names an element: roles follow from the two crystals of a campaign, and bonds from where the first
shell of the radial distribution ends.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pymatgen.core import Element

from interphase_flows.analysis.geometry.frames import FrameSource, mask_of, numbers_of
from interphase_flows.analysis.geometry.rdf_cutoffs import bond_cutoff_angstrom
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.exceptions import AnalysisError

CHALCOGEN_GROUPS = frozenset({16, 17})
"""Groups of the periodic table whose elements end as simple anions: chalcogens and halogens."""


@dataclass(frozen=True)
class Roles:
    """Elements by what they do, each a set of symbols."""

    mobile_cations: frozenset[str]
    network_formers: frozenset[str]
    anion_formers: frozenset[str]


def roles_of(electrode: Iterable[str], electrolyte: Iterable[str]) -> Roles:
    """Tell roles from the elements of the two crystals.

    The electrode's elements that the electrolyte shares are mobile. Chalcogens and halogens of the electrolyte form
    anions, and what is left forms the network.

    Raises
    ------
    AnalysisError
        An element is unknown, the two share no element, or a role is left empty.
    """
    electrode, electrolyte = set(electrode), set(electrolyte)
    numbers_of(electrode | electrolyte)
    mobile = electrode & electrolyte
    rest = electrolyte - mobile
    anions = {symbol for symbol in rest if Element(symbol).group in CHALCOGEN_GROUPS}
    if not mobile or not anions or not rest - anions:
        raise AnalysisError(
            f"electrode {sorted(electrode)} and electrolyte {sorted(electrolyte)} do not show which element moves, which "
            "forms networks and which makes anions; pass Roles yourself"
        )
    return Roles(frozenset(mobile), frozenset(rest - anions), frozenset(anions))


def measured_chemistry(frames: FrameSource, roles: Roles, *, every: int = 1) -> AnionChemistry:
    """Take the longest bonds from the first minima of a trajectory's radial distributions.

    With several elements in a role, the longest cut-off of their pairs holds for all. A kind of pair that is never
    bonded in these frames, such as P-P in Li7P3S11, has its first peak at the next-nearest neighbours; there the cut-off
    is the emptiest distance below 1.5 times the sum of the covalent radii, so that a bond that forms later is seen.

    Raises
    ------
    AnalysisError
        The trajectory is empty or lacks the elements of a role.
    """
    return chemistry_within(
        frames, roles, lambda first, second: bond_cutoff_angstrom(frames, first, second, every=every)
    )


def chemistry_within(
    frames: FrameSource, roles: Roles, cutoff_angstrom: Callable[[str, str], float]
) -> AnionChemistry:
    """Take the longest bonds of `measured_chemistry` from cut-offs by pair of elements, Å.

    Raises
    ------
    AnalysisError
        The trajectory lacks the elements of a role.
    """
    formers, ligands = (
        [s for s in sorted(role) if mask_of(frames.numbers, {s}).any()]
        for role in (roles.network_formers, roles.anion_formers)
    )
    if not formers or not ligands:
        raise AnalysisError(
            f"the trajectory has none of {sorted(roles.network_formers)} or none of {sorted(roles.anion_formers)}; "
            "check the roles"
        )

    def longest(first: list[str], second: list[str]) -> float:
        return max(cutoff_angstrom(a, b) for a in first for b in second)

    return AnionChemistry(
        anion_centres=roles.network_formers,
        ligands=roles.anion_formers,
        centre_ligand_angstrom=longest(formers, ligands),
        centre_centre_angstrom=longest(formers, formers),
        ligand_ligand_angstrom=longest(ligands, ligands),
    )
