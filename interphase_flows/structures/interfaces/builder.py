"""Build interfaces between a metal electrode and an electrolyte of molecular anions, two in each periodic cell.

The electrode is the film and takes all the strain; the electrolyte keeps its own lattice. Lattice matches
come from the algorithm of Zur and McGill (J. Appl. Phys. 55, 378 (1984)) in pymatgen's `ZSLGenerator`.

Terminations are cut here rather than by pymatgen's `CoherentInterfaceBuilder`, which finds the same matches but cuts
P-S bonds in six of its seven terminations of Li7P3S11 (001) and (011) (see tests/physics/test_interfaces.py).
`Interface.from_slabs` needs `Slab` objects with oriented unit cells, which a cut between anions does not have, and
does not record the sides.

The vector c of every cell is along the normal a x b (z), so that profiles along z need no projection.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.anions import anion_formulas, n_broken_anions
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.symmetry import Miller
from interphase_flows.structures.interfaces.lattice_matching import (
    LatticeMatch,
    in_plane_area_angstrom2,
    lattice_matches,
)
from interphase_flows.structures.interfaces.oriented_cells import (
    cuts_between_anions,
    in_plane_supercell,
    oriented_cell,
    slab_from_cut,
)

ELECTRODE, ELECTROLYTE = 0, 1
"""Values of ``atoms.arrays["side"]``."""


@dataclass(frozen=True)
class InterfaceSpec:
    """Specification of an interface.

    Parameters
    ----------
    electrode, electrolyte
        Names of phases (`interphase_flows.structures.crystals.library.phase_names`), or of the crystals that are
        passed to `build_interface`.
    film_miller, substrate_miller
        Faces of electrode and electrolyte, in the cells of the phases.
    film_layers, substrate_layers
        Number of lattice planes of each (of primitive cells: one plane of Li(110) is one atom thick, one of
        Li7P3S11 about 11 Å).
    max_atoms
        Largest number of atoms in the cell; the match of lowest strain within it is built.
    termination
        Index of the cut of the electrolyte, from the flattest.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    film_miller: Miller = (1, 1, 0)
    substrate_miller: Miller = (0, 0, 1)
    film_layers: int = 6
    substrate_layers: int = 1
    gap_angstrom: float = 2.2
    max_strain: float = 0.02
    max_atoms: int = 500
    termination: int = 0
    seed: int = 0


@dataclass(frozen=True)
class BuiltInterface:
    """An interface with its strain, gap and number of broken anions.

    Parameters
    ----------
    atoms
        Electrolyte below, electrode above, c along the normal; ``arrays["side"]`` is 0 for electrode, 1 for
        electrolyte.
    film_strain
        Principal in-plane strain of the electrode of largest absolute value (engineering strain, signed).
    film_strain_xx, film_strain_yy, film_strain_xy
        Components of the same strain (tensor shear) in the axes of `atoms`: x along a. The thickness of the
        electrode is not adjusted.
    n_broken_units
        Anions of the bulk electrolyte that are missing or broken in `atoms`.
    gap_angstrom
        Height of the narrower of the two gaps, measured in `atoms`, in Å.
    area_angstrom2
        Of one interface; the cell holds two.
    """

    atoms: Atoms
    spec: InterfaceSpec
    film_strain: float
    film_strain_xx: float
    film_strain_yy: float
    film_strain_xy: float
    n_broken_units: int
    gap_angstrom: float
    area_angstrom2: float

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.atoms)


def build_interface(
    spec: InterfaceSpec, electrode: Atoms | None = None, electrolyte: Atoms | None = None
) -> BuiltInterface:
    """Build the interface of lowest strain that a specification allows.

    By default the crystals are the phases of the library of those names.

    Raises
    ------
    StructureError
        If a field is out of range, no lattice match satisfies both `max_strain` and `max_atoms`, the
        termination does not exist, or the electrolyte's anions are not molecules.
    OverlappingAtomsError
        If the gap is so small that atoms of both sides overlap.
    """
    film, substrate, match = best_match(spec, electrode, electrolyte)
    if match is None:
        raise StructureError(
            f"no match of {spec.electrode}{spec.film_miller} on {spec.electrolyte}{spec.substrate_miller} "
            f"within max_strain={spec.max_strain} and max_atoms={spec.max_atoms}. Hint: increase either, or choose "
            "other faces"
        )
    return assemble_interface(spec, match, film, substrate)


def best_match(
    spec: InterfaceSpec, electrode: Atoms | None = None, electrolyte: Atoms | None = None
) -> tuple[Atoms, Atoms, LatticeMatch | None]:
    """Return the oriented film and substrate, and their match of lowest strain within `max_atoms`, or None.

    By default the crystals are the phases of the library of those names.

    Raises
    ------
    StructureError
        A field of the specification is out of range.
    """
    _check_spec(spec)
    film = oriented_cell(load_phase(spec.electrode) if electrode is None else electrode, spec.film_miller)
    substrate = oriented_cell(
        load_phase(spec.electrolyte) if electrolyte is None else electrolyte, spec.substrate_miller
    )
    atoms_per_area = len(film) * spec.film_layers / in_plane_area_angstrom2(film)
    atoms_per_area += len(substrate) * spec.substrate_layers / in_plane_area_angstrom2(substrate)
    # The film's own area may be larger than the common one by its strain.
    max_area = spec.max_atoms / atoms_per_area * (1 + spec.max_strain) ** 2
    matches = lattice_matches(film, substrate, spec.max_strain, max_area)
    fitting = (match for match in matches if n_atoms_of_match(match, film, substrate, spec) <= spec.max_atoms)
    return film, substrate, next(fitting, None)


def thicknesses_angstrom(interface: BuiltInterface) -> tuple[float, float]:
    """Return the thicknesses of electrode and electrolyte in Å, between the centres of their outermost atoms."""
    z, side = interface.atoms.positions[:, 2], interface.atoms.arrays["side"]
    electrode, electrolyte = (float(np.ptp(z[side == number])) for number in (ELECTRODE, ELECTROLYTE))
    return electrode, electrolyte


def _check_spec(spec: InterfaceSpec) -> None:
    if spec.film_layers < 1 or spec.substrate_layers < 1:
        raise StructureError(
            f"film_layers={spec.film_layers}, substrate_layers={spec.substrate_layers}: both must be at least 1"
        )
    if not 0.0 < spec.max_strain <= 0.2:
        raise StructureError(f"max_strain={spec.max_strain}: must be above 0 and at most 0.2")
    if not 0.5 <= spec.gap_angstrom <= 20.0:
        raise StructureError(f"gap_angstrom={spec.gap_angstrom}: must be between 0.5 and 20 Å")


def n_atoms_of_match(match: LatticeMatch, film: Atoms, substrate: Atoms, spec: InterfaceSpec) -> int:
    """Return the number of atoms of the interface that a match makes."""
    n_film = abs(round(np.linalg.det(match.film_transformation))) * len(film) * spec.film_layers
    n_substrate = abs(round(np.linalg.det(match.substrate_transformation))) * len(substrate) * spec.substrate_layers
    return n_film + n_substrate


def requested_cut(spec: InterfaceSpec, substrate: Atoms) -> float:
    """Return the height at which the oriented electrolyte is cut, as a fraction of its cell.

    Raises StructureError if there is no such termination, or the anions are chains or networks.
    """
    cuts = cuts_between_anions(substrate)
    if not 0 <= spec.termination < len(cuts):
        raise StructureError(
            f"termination={spec.termination}: {spec.electrolyte}{spec.substrate_miller} has {len(cuts)} cuts "
            f"between anions. Hint: use 0 to {len(cuts) - 1}"
        )
    return cuts[spec.termination]


def assemble_interface(spec: InterfaceSpec, match: LatticeMatch, film: Atoms, substrate: Atoms) -> BuiltInterface:
    """Stack the oriented film on the oriented substrate by a lattice match.

    Raises
    ------
    StructureError
        The specification is out of range, or the termination does not exist.
    OverlappingAtomsError
        The gap is so small that atoms of both sides overlap.
    """
    _check_spec(spec)
    cut = requested_cut(spec, substrate)
    thick = in_plane_supercell(substrate, match.substrate_transformation, spec.substrate_layers)
    lower = slab_from_cut(thick, cut / spec.substrate_layers)
    upper = _strained_film(film, match, spec)

    in_plane = lower.cell.array[:2].copy()
    lower_top = float(lower.positions[:, 2].max())
    height = lower_top + float(np.ptp(upper.positions[:, 2])) + 2 * spec.gap_angstrom
    shift = np.random.default_rng(spec.seed).random(2) @ in_plane
    lift = lower_top + spec.gap_angstrom - upper.positions[:, 2].min()
    upper.positions += np.array([shift[0], shift[1], lift])

    atoms = Atoms(
        np.concatenate([lower.numbers, upper.numbers]),
        positions=np.concatenate([lower.positions, upper.positions]) + np.array([0, 0, spec.gap_angstrom / 2]),
        cell=[in_plane[0], in_plane[1], [0.0, 0.0, height]],
        pbc=True,
    )
    atoms.set_array("side", np.repeat([ELECTROLYTE, ELECTRODE], [len(lower), len(upper)]))
    atoms.wrap()
    where = f"interface {spec.electrode}/{spec.electrolyte}, gap {spec.gap_angstrom:g} Å"
    check_no_overlap(atoms, where=where, hint="increase the gap")
    expected = anion_formulas(thick)
    strain = match.strain
    return BuiltInterface(
        atoms=atoms,
        spec=spec,
        film_strain=match.principal_strain,
        film_strain_xx=float(strain[0, 0]),
        film_strain_yy=float(strain[1, 1]),
        film_strain_xy=float(strain[0, 1]),
        n_broken_units=n_broken_anions(atoms, expected),
        gap_angstrom=_narrower_gap(atoms),
        area_angstrom2=in_plane_area_angstrom2(lower),
    )


def _strained_film(film: Atoms, match: LatticeMatch, spec: InterfaceSpec) -> Atoms:
    block = in_plane_supercell(film, match.film_transformation, spec.film_layers)
    positions = block.positions.copy()
    if match.flipped:
        positions[:, 1:] *= -1.0
    positions[:, :2] = positions[:, :2] @ match.deformation
    return Atoms(block.numbers, positions=positions)


def _narrower_gap(atoms: Atoms) -> float:
    z, side = atoms.positions[:, 2], atoms.arrays["side"]
    below, above = z[side == ELECTROLYTE], z[side == ELECTRODE]
    upper_gap = above.min() - below.max()
    lower_gap = atoms.cell.array[2, 2] - above.max() + below.min()
    return float(min(upper_gap, lower_gap))
