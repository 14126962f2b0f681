"""Small periodic cells cut out of a large one around an atom, which a reference method can afford to label.

No DFT labels an interface of a thousand atoms. What its dynamics visits can still be learned: the cell around an
uncertain atom keeps that atom's surroundings as they are, and only the shell, where the faces of the cut meet, is
artificial. Overlapping atoms of the shell are removed, and the rest of it is relaxed.
"""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms
from ase.optimize import FIRE
from numpy.typing import NDArray

from interphase_flows.analysis.geometry.neighbours import PeriodicTree
from interphase_flows.exceptions import StructureError
from interphase_flows.structures.anions import anion_bonds_angstrom, anion_labels, is_centre
from interphase_flows.structures.checks import distance_table_angstrom, pair_distances_angstrom

KEPT_PERIOD_FACTOR = 1.25
"""A direction is not cut where the period is at most this factor times the edge."""
MARGIN_ANGSTROM = 6.0
"""Width beyond the cut within which anions are searched; PS4 and P2S7 have diameters of 4 to 6 Å."""
MAX_ANION_ATOMS = 12
"""Larger groups of bonded atoms are networks, and are cut."""
OVERLAP_FRACTION = 0.75
"""Two atoms overlap below this fraction of the sum of their covalent radii; atoms of two anions, below a bond."""
SAME_ANGSTROM = 1e-6
MAX_STEP_ANGSTROM = 0.05


def cut_out(atoms: Atoms, centre: int, edge_angstrom: float, core_angstrom: float) -> Atoms:
    """Return a periodic cell around an atom, which is its first atom and in its middle.

    Lattice vectors keep their directions. A direction whose period is at most 1.25 times the edge keeps its period.
    Anions of up to 12 atoms are intact. Where they protrude through the faces of the cut into the core, they are left
    out; of two atoms or anions that overlap, the one farther from the centre is. An anion that would meet itself in the
    core, or another one of the core, is cut, which an edge of the core's diameter plus that of an anion avoids.

    Parameters
    ----------
    atoms
        A structure that is periodic in three directions.
    centre
        Index of the atom.
    edge_angstrom
        Distance of opposite faces in the directions that are cut.
    core_angstrom
        Distance from the centre within which the cell has the same atoms as the structure.

    Raises
    ------
    StructureError
        The structure is not periodic, it has no such atom, or the core does not fit into the cell.
    """
    if not atoms.pbc.all() or not 0 <= centre < len(atoms):
        raise StructureError(
            f"cannot cut a cell around atom {centre} of {len(atoms)}: it needs a structure that is periodic in three "
            "directions, and one of its atoms"
        )
    if 2 * core_angstrom > edge_angstrom:
        raise StructureError(
            f"a core of {core_angstrom:g} Å around an atom does not fit into a cell of {edge_angstrom:g} Å. Hint: "
            "choose an edge of at least twice the radius of the core"
        )
    heights = 1.0 / np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    window = np.where(heights <= KEPT_PERIOD_FACTOR * edge_angstrom, 1.0, edge_angstrom / heights)
    offsets = _offsets(atoms, atoms.get_scaled_positions(wrap=False)[centre])
    near = (np.abs(offsets) <= window / 2 + MARGIN_ANGSTROM / heights).all(axis=1)
    near[centre] = True
    indices = np.flatnonzero(near)
    distance = atoms.get_distances(centre, indices, mic=True)
    in_core = distance <= core_angstrom
    groups, offsets = _intact_groups(atoms[indices], offsets[indices], np.where(in_core, distance, np.inf))
    anchors = np.array([offsets[group[0]] for group in groups])
    inside = ((window == 1.0) | ((anchors >= -window / 2) & (anchors < window / 2))).all(axis=1)
    row = int(np.searchsorted(indices, centre))
    kept = [group for group, within in zip(groups, inside, strict=True) if within or in_core[group].any()]
    order = np.concatenate([[row], np.sort([each for group in kept for each in group if each != row])]).astype(int)
    cut = atoms[indices[order]]
    cut.set_cell(atoms.cell.array * window[:, None])
    cut.positions = offsets[order] @ atoms.cell.array + cut.cell.array.sum(axis=0) / 2
    cut.wrap()
    number = np.empty(len(indices), dtype=int)
    for index, group in enumerate(kept):
        number[group] = index
    return cut if (window == 1.0).all() else _without_overlaps(cut, number[order], atoms[indices[order]], core_angstrom)


def relax_shell(atoms: Atoms, calculator: Calculator, core_angstrom: float, max_steps: int) -> Atoms:
    """Return a cell of `cut_out` whose atoms beyond a distance from the first one have been relaxed for a few steps.

    Steps of at most 0.05 Å with FIRE until no force exceeds 0.5 eV/Å; the cell and the core stay as they are.
    """
    relaxed = atoms.copy()
    relaxed.calc = calculator
    relaxed.set_constraint(FixAtoms(np.flatnonzero(is_core(atoms, core_angstrom))))
    FIRE(relaxed, logfile=None, maxstep=MAX_STEP_ANGSTROM).run(fmax=0.5, steps=max_steps)
    relaxed.set_constraint()
    relaxed.calc = None
    return relaxed


def is_core(atoms: Atoms, core_angstrom: float) -> NDArray[np.bool_]:
    """Return which atoms are within a distance of the first one, (n_atoms,)."""
    core: NDArray[np.bool_] = atoms.get_distances(0, range(len(atoms)), mic=True) <= core_angstrom
    return core


def uncertain_atoms(atoms: Atoms, force_std: NDArray[np.float64], level: float, spacing: float, n: int) -> list[int]:
    """Return at most ``n`` atoms whose standard deviation of the force is at least ``level``, the largest first.

    ``force_std`` has shape (n_atoms,) and the unit of ``level``. Each atom is at least ``spacing`` in Å away from those
    before it.
    """
    chosen: list[int] = []
    for index in np.argsort(-force_std, kind="stable"):
        if len(chosen) == n or force_std[index] < level:
            break
        if not chosen or atoms.get_distances(index, chosen, mic=True).min() >= spacing:
            chosen.append(int(index))
    return chosen


def _offsets(atoms: Atoms, fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fractional positions relative to one, between -0.5 and 0.5, (n_atoms, 3)."""
    offsets = atoms.get_scaled_positions(wrap=False) - fraction
    return np.asarray(offsets - np.floor(offsets + 0.5))


def _intact_groups(
    atoms: Atoms, offsets: NDArray[np.float64], core_distance: NDArray[np.float64]
) -> tuple[list[NDArray[np.intp]], NDArray[np.float64]]:
    """Return groups of atoms that are kept or left out together, and offsets in which no group is split.

    The first atom of a group is its anchor: in an anion, the atom of the core that is nearest to the centre, else the
    first atom of a centre. Atoms of the core keep their offsets: those of an anion may be farther apart than half a
    period. ``core_distance`` is infinite beyond the core.
    """
    labels = anion_labels(atoms)
    of_centre = np.array([is_centre(symbol) for symbol in atoms.get_chemical_symbols()])
    offsets = offsets.copy()
    groups = []
    for label in np.unique(labels):
        group = np.flatnonzero(labels == label)
        if len(group) > MAX_ANION_ATOMS:
            groups += [np.array([each]) for each in group]
            continue
        group = group[np.lexsort((~of_centre[group], core_distance[group]))]
        relative = offsets[group] - offsets[group[0]]
        intact = offsets[group[0]] + relative - np.floor(relative + 0.5)
        offsets[group] = np.where(np.isfinite(core_distance[group])[:, None], offsets[group], intact)
        groups.append(group)
    return groups, offsets


def _without_overlaps(cut: Atoms, number: NDArray[np.intp], parent: Atoms, core_angstrom: float) -> Atoms:
    """Remove groups that enter the core or overlap, of two groups the one farther from the centre, closest pair first.

    ``number`` is the group of each atom. Atoms that are as close in the parent, which has the same order, are left.
    """
    distance, before = (each.get_distances(0, range(len(each)), mic=True) for each in (cut, parent))
    of_group = np.full(number.max() + 1, np.inf)
    np.minimum.at(of_group, number, before)
    entered = (distance <= core_angstrom) & (before > core_angstrom)
    # an anion of the core that enters it again through a face loses those atoms
    removed = entered | np.isin(number, number[entered & (of_group[number] > core_angstrom)])
    symbols = set(cut.get_chemical_symbols())
    limits = distance_table_angstrom(pair_distances_angstrom(symbols, OVERLAP_FRACTION) | anion_bonds_angstrom(symbols))
    pairs = PeriodicTree(cut.positions, cut.cell.array, float(limits.max())).few_within(float(limits.max()))
    closeness = pairs.distance_angstrom / limits[cut.numbers[pairs.first], cut.numbers[pairs.second]]
    for pair in np.argsort(closeness, kind="stable"):
        first, second = int(pairs.first[pair]), int(pairs.second[pair])
        if closeness[pair] >= 1.0:
            break
        if removed[first] or removed[second] or number[first] == number[second]:
            continue
        in_parent = parent.get_distance(first, second, mic=True)
        if abs(in_parent - pairs.distance_angstrom[pair]) < SAME_ANGSTROM:
            continue
        farther = max(number[first], number[second], key=lambda group: of_group[group])
        if of_group[farther] > core_angstrom:
            removed |= number == farther
        else:  # both reach into the core: one of them is cut
            atom = max(first, second, key=lambda each: before[each])
            removed[atom] |= before[atom] > core_angstrom
    return cut[~removed]
