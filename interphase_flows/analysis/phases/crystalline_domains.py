"""Crystalline domains at the end of a trajectory: how many, how large, how they lie, and what Scherrer reads."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from ase.neighborlist import primitive_neighbor_list
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.analysis.phases.atom_labels import PhaseModel
from interphase_flows.analysis.phases.diffraction import (
    CU_K_ALPHA_ANGSTROM,
    SPHERE,
    debye_pattern,
    full_width_deg,
    powder_lines,
    scherrer_diameter_angstrom,
)
from interphase_flows.analysis.phases.domains import crystalline_domains
from interphase_flows.analysis.phases.orientation import bond_vectors, domain_orientation
from interphase_flows.analysis.phases.results import Domain, PhaseDomains, ScherrerSize
from interphase_flows.analysis.results import Unavailable
from interphase_flows.exceptions import AnalysisError

LEAST_ATOMS = 4
LEAST_ORIENTED = 8
"""Anions of a domain below which its orientation is chance."""
MOST_SHOWN = 10
TWO_THETA_MAX_DEG, DISTURBING_MAX_DEG = 70.0, 100.0
"""Up to where lines are looked at, and those that may disturb them."""
STRONG = 30.0
"""Lines as strong as this, the strongest being 100, are looked at; those above a third of it disturb them."""
SHELL_NEIGHBOURS = 20
SYMMETRY_ANGSTROM = 0.01


@dataclass(frozen=True)
class SublatticeOf:
    """The anions of a crystal: how far neighbours are, and the volume of each."""

    crystal: Atoms
    hosts: BoolArray
    link_angstrom: float
    volume_per_atom_angstrom3: float
    rotations: np.ndarray


def sublattice_of(crystal: Atoms, hosts: frozenset[str]) -> SublatticeOf:
    """Measure the sublattice of the host anions; neighbours are those before the widest gap between shells."""
    mask = mask_of(crystal.numbers, hosts)
    own = crystal.positions[mask]
    reach = 2.5 * (crystal.get_volume() / mask.sum()) ** (1 / 3)
    pairs = pairs_within(own, crystal.cell[:], reach)
    first = np.sort(pairs.distance_angstrom[pairs.first == 0])[:SHELL_NEIGHBOURS]
    gap = int(np.argmax(first[1:] / first[:-1]))
    return SublatticeOf(
        crystal,
        mask,
        float(0.5 * (first[gap] + first[gap + 1])),
        float(crystal.get_volume() / mask.sum()),
        _point_group(crystal),
    )


def domains_of(
    positions: np.ndarray,
    cell: np.ndarray,
    numbers: np.ndarray,
    codes: np.ndarray,
    model: PhaseModel,
    crystals: Mapping[str, Atoms],
) -> dict[str, PhaseDomains]:
    """Return the domains of every crystal in a frame, the largest first.

    Parameters
    ----------
    positions, cell, numbers
        The frame; positions in Å.
    codes
        Labels of its atoms, positions in ``model.labels``.
    model
        What the labels are from.
    crystals
        Phases at rest by name.
    """
    normal = np.cross(cell[0], cell[1])
    cations = mask_of(numbers, model.mobile_cations)
    answer: dict[str, PhaseDomains] = {}
    for name, own in model.hosts.items():
        if name not in crystals:
            continue
        lattice = sublattice_of(crystals[name], own)
        labels = [
            i
            for i, label in enumerate(model.labels)
            if label == name or label.endswith(f" dissolved in {name}")
        ]
        mine = np.isin(codes, labels)
        found = crystalline_domains(
            positions,
            cell,
            mine & ~cations,
            link_angstrom=lattice.link_angstrom,
            volume_per_atom_angstrom3=lattice.volume_per_atom_angstrom3,
            least_atoms=LEAST_ATOMS,
        )
        bonds = bond_vectors(
            crystals[name].positions[lattice.hosts], crystals[name].cell[:], lattice.link_angstrom
        )
        shown = []
        for index in range(min(len(found.sizes), MOST_SHOWN)):
            members = found.atom_domain == index
            orientation = None
            if found.sizes[index] >= LEAST_ORIENTED:
                orientation = domain_orientation(
                    crystals[name],
                    bonds,
                    bond_vectors(positions[members], cell, lattice.link_angstrom),
                    normal,
                    lattice.rotations,
                )
            shown.append(
                Domain(
                    n_anions=int(found.sizes[index]),
                    diameter_angstrom=float(found.diameter_angstrom[index]),
                    meets_its_image=_meets_its_image(positions[members], cell, lattice.link_angstrom),
                    orientation=orientation,
                )
            )
        scherrer: ScherrerSize | Unavailable
        try:
            scherrer = scherrer_of(
                positions,
                cell,
                numbers,
                found.atom_domain == 0,
                mine & cations,
                lattice,
                model.cation_cutoff_angstrom,
            )
        except AnalysisError as error:
            scherrer = Unavailable.from_error(error)
        answer[name] = PhaseDomains(
            n_domains=len(found.sizes),
            n_anions=int(found.sizes.sum()),
            mean_diameter_angstrom=found.mean_diameter_angstrom,
            domains=shown,
            scherrer=scherrer,
        )
    return answer


def scherrer_of(
    positions: np.ndarray,
    cell: np.ndarray,
    numbers: np.ndarray,
    anions: BoolArray,
    cations: BoolArray,
    lattice: SublatticeOf,
    cation_cutoff_angstrom: float,
) -> ScherrerSize:
    """Return the size that the width of a line of one domain tells, beside what it rests on.

    Raises
    ------
    AnalysisError
        There is no domain, it meets its own image, or its lines run into each other.
    """
    if not anions.any():
        raise AnalysisError(f"there is no domain of {LEAST_ATOMS} anions or more")
    members = np.flatnonzero(anions)
    whole = unwrapped_cluster(positions[members], cell, lattice.link_angstrom)
    diameter = float(np.cbrt(6 * len(members) * lattice.volume_per_atom_angstrom3 / np.pi))
    line, gap = _line_that_stands_alone(lattice.crystal)
    expected = np.degrees(SPHERE * CU_K_ALPHA_ANGSTROM / (diameter * np.cos(np.radians(line / 2))))
    if expected > 0.6 * gap:
        raise AnalysisError(
            f"a domain of {diameter:.0f} Å has lines {expected:.0f} degrees wide, and those of this crystal are at most "
            f"{gap:.0f} degrees apart: they run into each other"
        )
    atoms = [whole]
    kinds = [numbers[members]]
    near = _cations_around(positions, cell, members, whole, np.flatnonzero(cations), cation_cutoff_angstrom)
    if len(near[0]):
        atoms.append(near[0])
        kinds.append(numbers[near[1]])
    angles = np.arange(line - 0.7 * gap, line + 0.7 * gap, 0.05)
    pattern = debye_pattern(np.concatenate(atoms), np.concatenate(kinds), angles)
    centre, width = full_width_deg(angles, pattern)
    return ScherrerSize(
        line_deg=line,
        found_at_deg=centre,
        width_deg=width,
        diameter_angstrom=scherrer_diameter_angstrom(centre, width),
        diameter_by_volume_angstrom=diameter,
    )


def unwrapped_cluster(positions: np.ndarray, cell: np.ndarray, link_angstrom: float) -> FloatArray:
    """Return the atoms of one cluster as one piece that no border cuts, (n_atoms, 3).

    Raises
    ------
    AnalysisError
        The cluster meets its own periodic image, so it has no end.
    """
    cell = np.asarray(cell, dtype=float)
    i, j, vectors = primitive_neighbor_list(
        "ijD", [True] * 3, cell, np.asarray(positions, dtype=float), link_angstrom
    )
    n = len(positions)
    graph = csr_array((np.ones(len(i)), (i, j)), shape=(n, n))
    order, parent = breadth_first_order(graph, 0, directed=False)
    step = {(int(a), int(b)): v for a, b, v in zip(i, j, vectors, strict=True)}
    places = np.array(positions, dtype=float)
    for atom in order[1:].tolist():
        places[atom] = places[int(parent[atom])] + step[int(parent[atom]), atom]
    if len(i) and np.abs(places[i] + vectors - places[j]).max() > 1e-6:
        raise AnalysisError(
            "the domain meets its own periodic image: it is as large as the cell, and a width tells nothing of its size"
        )
    return places


def _meets_its_image(positions: np.ndarray, cell: np.ndarray, link_angstrom: float) -> bool:
    """Return whether a cluster goes on through the borders of the cell without end: it is larger than its volume says."""
    try:
        unwrapped_cluster(positions, cell, link_angstrom)
    except AnalysisError:
        return True
    return False


def _cations_around(
    positions: np.ndarray,
    cell: np.ndarray,
    members: np.ndarray,
    places: FloatArray,
    cations: np.ndarray,
    cutoff_angstrom: float,
) -> tuple[FloatArray, np.ndarray]:
    """Cations beside the anions of an unwrapped cluster: places (n, 3) and atoms (n,)."""
    if not len(cations):
        return np.empty((0, 3)), cations
    both = np.concatenate([positions[members], positions[cations]])
    i, j, vectors = primitive_neighbor_list(
        "ijD", [True] * 3, np.asarray(cell, dtype=float), both, cutoff_angstrom
    )
    chosen = (i < len(members)) & (j >= len(members))
    i, j, vectors = i[chosen], j[chosen] - len(members), vectors[chosen]
    first, rows = np.unique(j, return_index=True)
    return places[i[rows]] + vectors[rows], cations[first]


def _line_that_stands_alone(crystal: Atoms) -> tuple[float, float]:
    """Angle of the strong line that is farthest from others, and how far that is, degrees."""
    lines = [
        line
        for line in powder_lines(crystal, two_theta_max_deg=DISTURBING_MAX_DEG)
        if line.intensity > STRONG / 3
    ]
    best = (0.0, 0.0)
    for line in lines:
        gap = min(
            (abs(line.two_theta_deg - other.two_theta_deg) for other in lines if other is not line),
            default=15.0,
        )
        if line.intensity > STRONG and line.two_theta_deg <= TWO_THETA_MAX_DEG and gap > best[1]:
            best = (line.two_theta_deg, gap)
    return best


def _point_group(crystal: Atoms) -> np.ndarray:
    """Rotations of a crystal on fractional coordinates, each once, (n, 3, 3); the identity where spglib finds none."""
    described = (crystal.cell[:].tolist(), crystal.get_scaled_positions().tolist(), crystal.numbers.tolist())
    with warnings.catch_warnings():
        # how spglib reports that it found nothing depends on its version
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_symmetry(described, symprec=SYMMETRY_ANGSTROM)
    return np.eye(3, dtype=int)[None] if found is None else np.unique(found["rotations"], axis=0)
