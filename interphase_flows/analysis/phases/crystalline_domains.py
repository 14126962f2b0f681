"""Crystalline domains: number, size, orientation, and size by Scherrer's equation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.analysis.phases.atom_labels import PhaseModel
from interphase_flows.analysis.phases.orientation import bond_vectors, domain_orientation
from interphase_flows.analysis.phases.results import Domain, PhaseDomains, ScherrerSize
from interphase_flows.analysis.phases.scherrer import scherrer_of
from interphase_flows.analysis.phases.sublattice import sublattice_of, unwrapped_cluster
from interphase_flows.analysis.results import Unavailable
from interphase_flows.exceptions import AnalysisError

LEAST_ATOMS = 4
LEAST_ORIENTED = 8
"""Minimum number of anions of a domain for an orientation."""
MOST_SHOWN = 10


@dataclass(frozen=True)
class Domains:
    """Clusters of atoms of one phase by decreasing size."""

    sizes: IntArray
    """Number of sublattice atoms, such as the S of Li2S, (n_domains,)."""
    diameter_angstrom: FloatArray
    """Diameter in Å of the sphere with the volume of as many atoms in the crystal, (n_domains,)."""
    atom_domain: IntArray
    """Position in `sizes`, -1 for atoms of no domain, (n_atoms,)."""

    @property
    def mean_diameter_angstrom(self) -> float:
        """Mean weighted by volume, as in diffraction; 0 without domains."""
        return float(np.average(self.diameter_angstrom, weights=self.sizes)) if len(self.sizes) else 0.0


def crystalline_domains(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    selected: BoolArray,
    *,
    link_angstrom: float,
    volume_per_atom_angstrom3: float,
    least_atoms: int = 4,
) -> Domains:
    """Cluster the atoms of one sublattice of a crystal.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3) and lattice vectors as rows (3, 3) in Å.
    selected
        Atoms of the sublattice with the label of the phase, (n_atoms,).
    link_angstrom
        Largest distance of neighbours, between the first and second shell: 4.8 Å for S in Li2S (4.04, 5.71 Å).
    volume_per_atom_angstrom3
        Volume of the crystal per selected atom in Å³: 46.5 for Li2S.
    least_atoms
        Minimum size of a domain.

    Raises
    ------
    AnalysisError
        The volume or the distance is not positive, or `least_atoms` is below 1.
    """
    if not volume_per_atom_angstrom3 > 0 or least_atoms < 1:
        raise AnalysisError(f"volume {volume_per_atom_angstrom3} Å³ and least_atoms = {least_atoms}: must be positive")
    chosen = np.flatnonzero(selected)
    pairs = pairs_within(np.asarray(positions)[chosen], cell, link_angstrom)
    ones = np.ones(len(pairs.first), dtype=np.int8)
    graph = coo_array((ones, (pairs.first, pairs.second)), shape=(len(chosen), len(chosen)))
    n_parts, part = connected_components(graph, directed=False) if len(chosen) else (0, np.empty(0, np.int64))
    sizes = np.bincount(part, minlength=n_parts)
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= least_atoms]
    rank = np.full(n_parts, -1)
    rank[order] = np.arange(len(order))
    atom_domain = np.full(len(positions), -1)
    atom_domain[chosen] = rank[part]
    sizes = sizes[order]
    diameter = np.cbrt(6 * sizes * volume_per_atom_angstrom3 / np.pi).astype(np.float64)
    return Domains(sizes, diameter, atom_domain)


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
        Atoms of the frame; lengths in Å.
    codes
        Labels of the atoms, positions in ``model.labels``.
    model
        Model of the labels.
    crystals
        Ideal crystals by phase.
    """
    normal = np.cross(cell[0], cell[1])
    cations = mask_of(numbers, model.mobile_cations)
    answer: dict[str, PhaseDomains] = {}
    for name, own in model.hosts.items():
        if name not in crystals:
            continue
        lattice = sublattice_of(crystals[name], own)
        labels = [i for i, label in enumerate(model.labels) if label == name or label.endswith(f" dissolved in {name}")]
        mine = np.isin(codes, labels)
        found = crystalline_domains(
            positions,
            cell,
            mine & ~cations,
            link_angstrom=lattice.link_angstrom,
            volume_per_atom_angstrom3=lattice.volume_per_atom_angstrom3,
            least_atoms=LEAST_ATOMS,
        )
        bonds = bond_vectors(crystals[name].positions[lattice.hosts], crystals[name].cell[:], lattice.link_angstrom)
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


def _meets_its_image(positions: np.ndarray, cell: np.ndarray, link_angstrom: float) -> bool:
    """Return whether a cluster is connected to its periodic image, so that its size is a lower limit."""
    try:
        unwrapped_cluster(positions, cell, link_angstrom)
    except AnalysisError:
        return True
    return False
