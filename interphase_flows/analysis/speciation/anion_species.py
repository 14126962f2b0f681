"""Classify the anions of a structure: PS4, P2S7, P2S6, P chains, isolated P and S.

Atoms closer than a bond cutoff are connected; a connected component is one anion, labelled by its composition.
Cutoffs are first minima of the partial radial distribution functions
(`interphase_flows.analysis.geometry.coordination`); in Li-P-S at 300-600 K those are flat between 2.45-2.6 Å (P-S) and
2.5-2.7 Å (P-P). Bonds are 2.05 Å (P-S), 2.2 Å (P-P) and 2.05 Å (S-S, in polysulfides), while S atoms of one
tetrahedron are 3.3 Å apart.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interphase_flows.analysis.array_types import IntArray
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import PeriodicTree
from interphase_flows.exceptions import AnalysisError

NOT_AN_ANION = -1
"""Code of atoms that are neither centres nor ligands, such as Li."""
N_INTACT, CHAIN_CODE, SINGLE_CODES = 4, 5, (6, 7)
"""Codes of `AnionChemistry.labels`: anions of electrolytes are below 4, chains 5, single atoms 6 and 7."""


@dataclass(frozen=True)
class AnionChemistry:
    """Elements of molecular anions, and the longest bonds.

    Parameters
    ----------
    anion_centres
        Elements in the middle of an anion, stored in alphabetical order.
    ligands
        Elements around the centres, stored in alphabetical order.
    centre_ligand_angstrom, centre_centre_angstrom, ligand_ligand_angstrom
        Longest bonds, in Å.
    """

    anion_centres: tuple[str, ...] | frozenset[str]
    ligands: tuple[str, ...] | frozenset[str]
    centre_ligand_angstrom: float
    centre_centre_angstrom: float
    ligand_ligand_angstrom: float

    def __post_init__(self) -> None:
        # a chemistry has one content key, also after a job was stored as JSON, which has lists only
        for name in ("anion_centres", "ligands"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        both = set(self.anion_centres) & set(self.ligands)
        if both or not (self.anion_centres or self.ligands):
            raise AnalysisError(
                f"centres {sorted(self.anion_centres)} and ligands {sorted(self.ligands)} of the anions must be two "
                "sets of elements with nothing in common, at least one of them not empty"
            )

    @property
    def longest_bond_angstrom(self) -> float:
        """The longest of the three, in Å."""
        return max(self.centre_ligand_angstrom, self.centre_centre_angstrom, self.ligand_ligand_angstrom)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Labels of anions; the position of a label is its code."""
        p, s = ("/".join(sorted(symbols)) for symbols in (self.anion_centres, self.ligands))
        return (
            f"{p}{s}4",  # 0: an isolated tetrahedron
            f"{p}2{s}7",  # 1: two tetrahedra sharing a corner
            f"{p}2{s}6",  # 2: two pyramids joined by a centre-centre bond
            f"{p}2{s}6 edge-sharing",  # 3: two tetrahedra sharing an edge, no centre-centre bond
            f"{p}{s}x",  # 4: one centre with fewer than four ligands
            f"{p}n",  # 5: bonded centres without ligands
            f"isolated {p}",  # 6
            f"isolated {s}",  # 7
            f"bonded {s}",  # 8: without a centre; Sn would be read as tin
            "other",  # 9
        )

    @property
    def labels_without_ligands(self) -> tuple[str, str]:
        """Labels of chains of centres and of isolated centres."""
        return self.labels[5], self.labels[6]


@dataclass(frozen=True)
class Environments:
    """Anions of one frame."""

    labels: tuple[str, ...]
    atom_codes: NDArray[np.int8]
    """(n_atoms,): position in `labels`, or -1 for atoms of no anion."""
    unit_counts: NDArray[np.int64]
    """(n_labels,): number of anions."""
    n_centres: NDArray[np.int64]
    """(n_labels,): number of centre atoms in them."""
    atom_units: NDArray[np.int64]
    """(n_atoms,): index of the anion of each atom, or -1; indices of different frames are unrelated."""

    def counts(self) -> dict[str, int]:
        """Return the number of anions by label, without zeros."""
        return {name: int(n) for name, n in zip(self.labels, self.unit_counts, strict=True) if n}


def classify_environments(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    chemistry: AnionChemistry,
) -> Environments:
    """Classify the anion of every centre and ligand atom of one frame.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3), wrapped or not, and lattice vectors as rows (3, 3) in Å.
    numbers
        Atomic numbers, (n_atoms,).
    chemistry
        Elements and bond lengths.

    Raises
    ------
    AnalysisError
        The cell has no volume.
    """
    members = np.flatnonzero(mask_of(numbers, {*chemistry.anion_centres, *chemistry.ligands}))
    tree = PeriodicTree(np.asarray(positions)[members], cell, chemistry.longest_bond_angstrom)
    return environments_in(tree, members, numbers, chemistry)


def environments_in(
    tree: PeriodicTree, members: IntArray, numbers: NDArray[np.integer], chemistry: AnionChemistry
) -> Environments:
    """Classify anions as `classify_environments` does, from a tree of the atoms `members` (n_members,) of a frame."""
    numbers = np.asarray(numbers)
    is_centre = mask_of(numbers, chemistry.anion_centres)
    centre, n_members = is_centre[members], len(members)
    pairs = tree.few_within(chemistry.longest_bond_angstrom)
    # 2 for two centres, 1 for a centre and a ligand, 0 for two ligands
    kind = centre[pairs.first].astype(np.int8) + centre[pairs.second]
    limits = np.array(
        [chemistry.ligand_ligand_angstrom, chemistry.centre_ligand_angstrom, chemistry.centre_centre_angstrom]
    )
    bonded = pairs.distance_angstrom <= limits[kind]
    first, second, kind = pairs.first[bonded], pairs.second[bonded], kind[bonded]
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(n_members, n_members))
    n_units, unit = connected_components(graph, directed=False) if n_members else (0, np.empty(0, np.int64))

    n_p = np.bincount(unit[centre], minlength=n_units)
    n_s = np.bincount(unit[~centre], minlength=n_units)
    has_pp = np.bincount(unit[first[kind == 2]], minlength=n_units) > 0
    has_ss = np.bincount(unit[first[kind == 0]], minlength=n_units) > 0
    rules = [
        (n_p == 1) & (n_s == 4) & ~has_ss,
        (n_p == 2) & (n_s == 7) & ~has_pp & ~has_ss,
        (n_p == 2) & (n_s == 6) & has_pp & ~has_ss,
        (n_p == 2) & (n_s == 6) & ~has_pp & ~has_ss,
        (n_p == 1) & (n_s > 0) & (n_s < 4),
        (n_p > 1) & (n_s == 0),
        (n_p == 1) & (n_s == 0),
        (n_p == 0) & (n_s == 1),
        (n_p == 0) & (n_s > 1),
    ]
    n_labels = len(chemistry.labels)
    unit_code = np.select(rules, range(n_labels - 1), default=n_labels - 1).astype(np.int8)

    atom_codes = np.full(len(numbers), NOT_AN_ANION, dtype=np.int8)
    atom_codes[members] = unit_code[unit]
    atom_units = np.full(len(numbers), NOT_AN_ANION, dtype=np.int64)
    atom_units[members] = unit
    return Environments(
        labels=chemistry.labels,
        atom_codes=atom_codes,
        unit_counts=np.bincount(unit_code, minlength=n_labels),
        n_centres=np.bincount(atom_codes[is_centre], minlength=n_labels),
        atom_units=atom_units,
    )
