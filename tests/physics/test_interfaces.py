"""Known answers: coordination in crystals; anions, strain and gap of interfaces."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from pymatgen.analysis.interfaces import CoherentInterfaceBuilder
from pymatgen.analysis.interfaces.zsl import ZSLGenerator
from pymatgen.io.ase import AseAtomsAdaptor

from interphase_flows.structures.anions import anion_formulas, n_broken_anions
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.symmetry import pymatgen_structure, spglib_warnings_ignored
from interphase_flows.structures.interfaces.builder import (
    ELECTRODE,
    BuiltInterface,
    InterfaceSpec,
    build_interface,
)
from interphase_flows.structures.interfaces.lattice_matching import in_plane_area_angstrom2, lattice_matches
from interphase_flows.structures.interfaces.oriented_cells import oriented_cell
from interphase_flows.structures.interfaces.small_interfaces import (
    SMALLEST,
    small_interface,
    small_interface_specs,
)

LITHIUM_LATTICE_ANGSTROM = 3.5093


def coordination(atoms: Atoms, centre: str, neighbour: str, cutoff_angstrom: float) -> list[int]:
    i, j = neighbor_list("ij", atoms, cutoff_angstrom)
    symbols = np.array(atoms.get_chemical_symbols())
    counts = np.bincount(i[symbols[j] == neighbour], minlength=len(atoms))
    return counts[symbols == centre].tolist()


def test_sulfur_in_li2s_has_8_lithium_at_2_47_angstrom():
    atoms = load_phase("Li2S")
    assert set(coordination(atoms, "S", "Li", 2.6)) == {8}
    assert neighbor_list("d", atoms, 2.6) == pytest.approx(2.4725, abs=0.001)


def test_phosphorus_in_li3p_has_11_lithium():
    assert set(coordination(load_phase("Li3P"), "P", "Li", 3.1)) == {11}


@pytest.mark.parametrize("geometry", ["experimental", "settled", "relaxed"])
def test_phosphorus_in_li7p3s11_has_4_sulfur(geometry):
    assert set(coordination(load_phase("Li7P3S11", geometry=geometry), "P", "S", 2.45)) == {4}


def test_li4p2s6_has_phosphorus_pairs_and_lip_has_chains():
    assert set(coordination(load_phase("Li2PS3"), "P", "P", 2.6)) == {1}
    assert set(coordination(load_phase("Li2PS3"), "P", "S", 2.45)) == {3}
    for geometry in ("experimental", "settled"):
        assert set(coordination(load_phase("LiP", geometry=geometry), "P", "P", 2.6)) == {2}


def test_settled_bonds_are_those_of_thiophosphates():
    """The published coordinates have P-S 1.86 Å and Li-S 1.99 Å."""
    atoms = load_phase("Li7P3S11")
    i, j, d = neighbor_list("ijd", atoms, 3.0)
    symbols = np.array(atoms.get_chemical_symbols())
    p_s = d[(symbols[i] == "P") & (symbols[j] == "S")]
    li_s = d[(symbols[i] == "Li") & (symbols[j] == "S")]
    assert p_s.min() > 1.98
    assert p_s.max() < 2.25
    assert li_s.min() > 2.3


def principal_strains_of_the_lithium(built: BuiltInterface) -> np.ndarray:
    """Compute the strain of a lithium layer from its atoms, relative to bcc (110)."""
    lithium = built.atoms[built.atoms.arrays["side"] == ELECTRODE]
    layer = lithium[np.abs(lithium.positions[:, 2] - lithium.positions[:, 2].min()) < 0.1]
    i, vectors = neighbor_list("iD", layer, 1.3 * LITHIUM_LATTICE_ANGSTROM)
    vectors = vectors[(i == 0) & (np.abs(vectors[:, 2]) < 0.1)][:, :2]
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))]
    ideal = LITHIUM_LATTICE_ANGSTROM * np.array([[np.sqrt(0.5), 0.5], [np.sqrt(0.5), -0.5]])
    # Of all pairs of neighbours, the one that is least deformed is the image of the primitive vectors.
    best = min(
        (np.linalg.eigvals(np.linalg.solve(ideal @ ideal.T, pair @ pair.T)) for pair in pairs(vectors)),
        key=lambda stretches: np.abs(np.sqrt(np.abs(stretches)) - 1).max(),
    )
    return np.sort(np.sqrt(best.real) - 1)


def pairs(vectors: np.ndarray) -> list[np.ndarray]:
    return [np.array([a, b]) for a in vectors for b in vectors if abs(a[0] * b[1] - a[1] * b[0]) > 1.0]


def check_interface(built: BuiltInterface) -> None:
    atoms, spec = built.atoms, built.spec
    substrate = atoms[atoms.arrays["side"] == 1]
    n_cells = len(substrate) // 42
    assert len(substrate) == 42 * n_cells
    assert built.n_broken_units == 0
    assert anion_formulas(atoms) == Counter({"PS4": 2 * n_cells, "P2S7": 2 * n_cells})

    strains = principal_strains_of_the_lithium(built)
    tensor = [[built.film_strain_xx, built.film_strain_xy], [built.film_strain_xy, built.film_strain_yy]]
    assert strains == pytest.approx(np.linalg.eigvalsh(tensor), abs=1e-6)
    assert built.film_strain == pytest.approx(strains[np.argmax(np.abs(strains))], abs=1e-6)
    assert abs(built.film_strain) <= spec.max_strain

    assert built.gap_angstrom == pytest.approx(spec.gap_angstrom, abs=1e-6)
    assert atoms.cell.array[2, :2] == pytest.approx([0.0, 0.0])
    assert built.area_angstrom2 == pytest.approx(atoms.get_volume() / atoms.cell.array[2, 2])

    # The electrolyte keeps its own lattice: every P-S bond is as long as in the crystal.
    bonds = np.sort(neighbor_list("d", substrate, {("P", "S"): 2.45}))
    crystal = np.sort(neighbor_list("d", load_phase("Li7P3S11").repeat((n_cells, 1, 1)), {("P", "S"): 2.45}))
    assert bonds == pytest.approx(crystal, abs=1e-4)


@pytest.mark.parametrize("variant", [0, 1])
@pytest.mark.parametrize("termination", [0, 3])
def test_small_interfaces_agree_with_their_reported_values(variant, termination):
    check_interface(small_interface(replace(SMALLEST, termination=termination), variant))


def test_electrode_keeps_its_bulk_plane_spacing():
    built = small_interface()
    heights = np.unique(np.round(built.atoms.positions[built.atoms.arrays["side"] == ELECTRODE, 2], 6))
    assert np.diff(heights) == pytest.approx(LITHIUM_LATTICE_ANGSTROM / np.sqrt(2), abs=1e-5)


@pytest.mark.parametrize(
    "spec",
    small_interface_specs(replace(SMALLEST, max_atoms=150)),
    ids=lambda spec: str(spec.substrate_miller),
)
def test_every_face_can_be_cut_without_breaking_an_anion(spec):
    check_interface(build_interface(spec))


def test_two_planes_of_electrolyte_keep_their_anions():
    check_interface(
        build_interface(
            InterfaceSpec(substrate_miller=(0, 1, 1), film_layers=3, substrate_layers=2, max_strain=0.05, max_atoms=130)
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("substrate_miller", "max_strain", "max_atoms"),
    [((1, 0, 0), 0.01, 500), ((0, 0, 1), 0.006, 300), ((0, 1, 0), 0.02, 800)],
)
def test_lattice_matches_of_a_percent_exist_at_hundreds_of_atoms(substrate_miller, max_strain, max_atoms):
    built = build_interface(
        InterfaceSpec(substrate_miller=substrate_miller, max_strain=max_strain, max_atoms=max_atoms)
    )
    assert built.n_atoms <= max_atoms
    check_interface(built)


MAX_STRAIN, MAX_AREA_ANGSTROM2 = 0.05, 160.0


@pytest.fixture(scope="module", params=[(0, 0, 1), (0, 1, 1)], ids=["001", "011"])
def pymatgens(request) -> tuple[tuple[int, int, int], CoherentInterfaceBuilder]:
    """pymatgen's builder of Li(110) on a face of Li7P3S11, with the tolerances of `lattice_matches`."""
    zsl = ZSLGenerator(
        max_area=MAX_AREA_ANGSTROM2,
        max_area_ratio_tol=3 * MAX_STRAIN,
        max_length_tol=1.5 * MAX_STRAIN,
        max_angle_tol=2 * MAX_STRAIN,
        bidirectional=True,
    )
    with spglib_warnings_ignored():
        builder = CoherentInterfaceBuilder(
            pymatgen_structure(load_phase("Li7P3S11")),
            pymatgen_structure(load_phase("Li")),
            film_miller=(1, 1, 0),
            substrate_miller=request.param,
            zslgen=zsl,
        )
    return request.param, builder


def area_and_strain(film: np.ndarray, substrate: np.ndarray) -> tuple[float, float]:
    """Return area in Å² and largest principal strain of two pairs of vectors, each of shape (2, 3)."""
    stretches = np.sqrt(np.linalg.eigvals(np.linalg.solve(film @ film.T, substrate @ substrate.T)).real)
    strain = stretches - 1
    area = np.linalg.norm(np.cross(substrate[0], substrate[1]))
    return round(float(area), 1), round(float(strain[np.argmax(np.abs(strain))]), 4)


def test_lattice_matches_agree_with_pymatgens_builder(pymatgens):
    """The areas and strains agree, although the in-plane cells differ."""
    substrate_miller, builder = pymatgens
    theirs = {
        area_and_strain(np.asarray(match.film_sl_vectors), np.asarray(match.substrate_sl_vectors))
        for match in builder.zsl_matches
    }
    theirs = {(area, strain) for area, strain in theirs if abs(strain) <= MAX_STRAIN}
    film = oriented_cell(load_phase("Li"), (1, 1, 0))
    substrate = oriented_cell(load_phase("Li7P3S11"), substrate_miller)
    ours = {
        (
            round(abs(np.linalg.det(match.substrate_transformation)) * in_plane_area_angstrom2(substrate), 1),
            round(match.principal_strain, 4),
        )
        for match in lattice_matches(film, substrate, MAX_STRAIN, MAX_AREA_ANGSTROM2)
    }
    assert theirs
    assert ours == theirs


def test_terminations_break_no_anions_where_pymatgens_do(pymatgens):
    """On (001) each of pymatgen's five terminations breaks anions, on (011) one of two."""
    substrate_miller, builder = pymatgens
    broken = []
    with spglib_warnings_ignored():
        for termination in builder.terminations:
            theirs = next(
                builder.get_interfaces(
                    termination=termination,
                    gap=2.2,
                    vacuum_over_film=2.2,
                    film_thickness=3,
                    substrate_thickness=1,
                    in_layers=True,
                )
            )
            n_cells = len(theirs.substrate_sites) / 42
            expected = Counter({"PS4": round(2 * n_cells), "P2S7": round(2 * n_cells)})
            broken.append(n_broken_anions(AseAtomsAdaptor.get_atoms(theirs), expected))
    assert sorted(n > 0 for n in broken) == ([True] * 5 if substrate_miller == (0, 0, 1) else [False, True])
    spec = InterfaceSpec(substrate_miller=substrate_miller, film_layers=3, max_strain=MAX_STRAIN, max_atoms=200)
    for termination in range(3):
        assert build_interface(replace(spec, termination=termination)).n_broken_units == 0
