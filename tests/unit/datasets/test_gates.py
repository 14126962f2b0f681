"""Gates: rejection of structures and labels."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from ase.units import GPa

from interphase_flows.datasets.gates import Gates
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.schemas.label import Correction

GATES = Gates()
STRESS = np.zeros(6)


def pair(distance_angstrom: float) -> Atoms:
    return Atoms("LiS", positions=[[0, 0, 0], [distance_angstrom, 0, 0]], cell=[8, 8, 8], pbc=True)


def reason(rejection) -> str | None:
    return None if rejection is None else rejection.reason


@pytest.mark.parametrize("distance_angstrom", [0.0, 0.4, 1.2, 6.9, 7.99])
def test_overlapping_atoms_are_rejected_also_across_the_boundary(distance_angstrom):
    """The limit of Li-S is 0.55 of 2.33 Å; the explanation names both atoms."""
    rejection = GATES.before(pair(distance_angstrom))
    assert reason(rejection) == "overlapping_atoms"
    assert "(Li)" in rejection.explanation
    assert "(S)" in rejection.explanation


def test_atoms_at_a_bond_length_pass():
    assert GATES.before(pair(2.4)) is None


def test_structures_that_are_not_finite_are_rejected():
    """In positions or the cell, or without atoms."""
    not_finite, flat = pair(2.4), pair(2.4)
    not_finite.positions[1, 2] = np.nan
    flat.cell[0, 0] = np.inf
    for atoms in (not_finite, flat, Atoms(cell=[4, 4, 4], pbc=True)):
        assert reason(GATES.before(atoms)) == "not_finite"


@pytest.mark.parametrize(
    ("energy", "forces", "stress", "expected"),
    [
        (np.nan, np.zeros((2, 3)), STRESS, "not_finite"),
        (np.inf, np.zeros((2, 3)), STRESS, "not_finite"),
        (-1.0, np.full((2, 3), np.nan), STRESS, "not_finite"),
        (-1.0, np.zeros((2, 3)), np.full(6, np.nan), "not_finite"),
        (None, np.zeros((2, 3)), STRESS, "missing_property"),
        (-1.0, None, STRESS, "missing_property"),
        (-1.0, np.zeros((2, 3)), None, "missing_property"),
        (-1.0, np.zeros((3, 3)), STRESS, "missing_property"),
        (-1.0, np.zeros(6), STRESS, "missing_property"),
        (-1.0, np.zeros((2, 3)), np.zeros((3, 3)), "missing_property"),
        (-1.0, np.array([[30.1, 0, 0], [0, 0, 0]]), STRESS, "max_force"),
        (-1.0, np.array([[18.0, 18.0, 18.0], [0, 0, 0]]), STRESS, "max_force"),
        (-1.0, np.array([[29.9, 0, 0], [-29.9, 0, 0]]), STRESS, None),
    ],
)
def test_raw_labels_are_rejected_with_a_reason(energy, forces, stress, expected):
    """Each fault has a separate reason; the limit of forces is on the norm of the vector."""
    assert reason(GATES.after(pair(2.4), RawLabel(energy, forces, stress))) == expected


def correction(changes_theory: bool) -> Correction:
    return Correction(
        handler="VaspErrorHandler",
        errors=["brmix"],
        actions=["ENCUT 520 -> 400" if changes_theory else "ALGO Fast -> Normal"],
        changes_theory=changes_theory,
    )


def good(**fields) -> RawLabel:
    numbers = {
        "energy_eV": -8.0,
        "forces_eV_per_angstrom": np.zeros((2, 3)),
        "stress_eV_per_angstrom3": STRESS,
    }
    return RawLabel(**(numbers | fields))


def test_unconverged_scf_is_rejected():
    """None is for methods without a self-consistency cycle."""
    rejection = GATES.after(pair(2.4), good(is_scf_converged=False, details={"n_scf_steps": 60}))
    assert reason(rejection) == "scf_not_converged"
    assert "60 steps" in rejection.explanation
    assert GATES.after(pair(2.4), good(is_scf_converged=True)) is None
    assert GATES.after(pair(2.4), good(is_scf_converged=None)) is None


def test_correction_that_changes_the_level_of_theory_is_rejected():
    """Corrections that do not change the theory pass."""
    rejection = GATES.after(pair(2.4), good(corrections=[correction(False), correction(True)]))
    assert reason(rejection) == "theory_changed"
    assert "ENCUT 520 -> 400" in rejection.explanation
    assert "VaspErrorHandler" in rejection.explanation
    assert "ALGO" not in rejection.explanation
    assert GATES.after(pair(2.4), good(corrections=[correction(False)])) is None


# labels of CHGNet: the largest principal stress in eV/Å³, and the volume of an atom in Å³
CALM = (0.00318, 22.8)  # interface at 300 K, the smallest stress of a campaign
TENSE = (0.13686, 19.4)  # Li7P3S11 strained by 4 % and rattled by 0.12 Å, its largest force 25 eV/Å
EV_PER_ANGSTROM3_IN_KBAR = 10.0 / GPa


@pytest.mark.parametrize(("stress", "volume_per_atom"), [CALM, TENSE])
def test_stress_in_gpa_or_kbar_is_rejected(stress, volume_per_atom):
    """The smallest stress in GPa is rejected, the largest in eV/Å³ passes, with and without vacuum."""
    edge = (2 * volume_per_atom) ** (1 / 3)
    dense = Atoms("LiS", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[edge] * 3, pbc=True)
    slab = dense.copy()
    slab.set_cell([edge, edge, 4 * edge])
    for atoms, diluted in ((dense, stress), (slab, stress / 4)):
        for shape in (np.array([1, 1, 1, 0, 0, 0]), np.array([0, 0, 0, 1, 0, 0])):
            right = diluted * shape
            assert GATES.after(atoms, good(stress_eV_per_angstrom3=right)) is None
            for unit in (1 / GPa, EV_PER_ANGSTROM3_IN_KBAR):
                rejection = GATES.after(atoms, good(stress_eV_per_angstrom3=right * unit))
                assert reason(rejection) == "stress_units"
                assert "eV/Å³" in rejection.explanation


def test_net_force_is_rejected():
    """One force of 0.5 eV/Å among 66 atoms; the noise of a real-space grid passes."""
    atoms = Atoms("Li66", positions=np.random.default_rng(1).random((66, 3)) * 10, cell=[10, 10, 10], pbc=True)
    forces = np.zeros((66, 3))
    forces[7, 1] = 0.5
    assert reason(GATES.after(atoms, good(forces_eV_per_angstrom=forces))) == "net_force"
    noise = np.random.default_rng(2).normal(0.0, 0.01, (66, 3))
    assert GATES.after(atoms, good(forces_eV_per_angstrom=noise)) is None


LI2S = bulk("SLi2", "fluorite", a=5.71, cubic=True)


@pytest.mark.parametrize("atoms", [LI2S, bulk("Li", "bcc", a=3.44, cubic=True) * (2, 2, 2)], ids=["Li2S", "Li"])
def test_forces_on_special_positions_are_rejected(atoms):
    """Opposite forces on two atoms of a perfect crystal, without a net force."""
    forces = np.zeros((len(atoms), 3))
    forces[0, 0], forces[1, 0] = 0.03, -0.03
    rejection = GATES.after(atoms, good(forces_eV_per_angstrom=forces))
    assert reason(rejection) == "asymmetric_forces"
    assert "eV/Å" in rejection.explanation
    assert GATES.after(atoms, good(forces_eV_per_angstrom=forces / 10)) is None


def test_only_symmetric_forces_pass():
    """A layer displaced along z allows forces along z, equal on equivalent atoms."""
    atoms = LI2S.copy()
    sulfur = atoms.numbers == 16
    lower = sulfur & (atoms.positions[:, 2] < 1.0)
    assert lower.sum() == 2
    atoms.positions[lower, 2] += 0.2
    axial = np.zeros((len(atoms), 3))
    axial[sulfur, 2], axial[lower, 2], axial[~sulfur, 2] = 0.5, -1.0, 0.125
    assert GATES.after(atoms, good(forces_eV_per_angstrom=axial)) is None
    sideways = axial[:, [2, 0, 1]]
    assert reason(GATES.after(atoms, good(forces_eV_per_angstrom=sideways))) == "asymmetric_forces"


def test_cell_without_symmetry_allows_any_forces():
    atoms = LI2S.copy()
    atoms.rattle(0.05, seed=1)
    forces = np.random.default_rng(3).normal(0.0, 1.0, (len(atoms), 3))
    assert GATES.after(atoms, good(forces_eV_per_angstrom=forces - forces.mean(axis=0))) is None


def test_energy_outlier_is_found_although_it_biases_the_fit():
    """One of eleven labels is off by 5 eV/atom."""
    compositions = np.array([[2, 1]] * 6 + [[3, 1]] * 5, dtype=float)
    energies = compositions @ np.array([-2.0, -4.0])
    energies[3] += 5.0 * 3
    outliers = GATES.energy_outliers(compositions, energies)
    assert np.flatnonzero(outliers).tolist() == [3]


def test_single_label_is_no_outlier():
    assert not GATES.energy_outliers(np.array([[2.0, 1.0]]), np.array([1e3])).any()


def test_short_dimer_is_limited_by_force_not_virial():
    """20 eV/Å at 1.3 Å is a virial of 13 eV per atom."""
    dimer = Atoms("P2", [[0, 0, 0], [0, 0, 1.3]], cell=[12.0] * 3, pbc=True)
    forces = np.array([[0, 0, -20.0], [0, 0, 20.0]])
    stress = np.array([0, 0, -20.0 * 1.3 / dimer.get_volume(), 0, 0, 0])
    assert GATES.after(dimer, RawLabel(-5.0, forces, stress)) is None
    assert reason(GATES.after(dimer, RawLabel(-5.0, 2 * forces, stress))) == "max_force"


@pytest.mark.parametrize("seed", range(20))
def test_overlaps_are_found_in_any_cell_of_the_same_lattice(seed):
    """Unimodular cells with angles down to a degree, against ASE's search in the orthorhombic cell."""
    rng = np.random.default_rng(seed)
    cell, skew = np.diag(rng.uniform(3.0, 9.0, 3)), np.eye(3, dtype=int)
    for _ in range(5):
        row, other = rng.choice(3, 2, replace=False)
        skew[row] += rng.integers(-3, 4) * skew[other]
    symbols, positions = rng.choice(["Li", "P", "S"], 6), rng.random((6, 3)) @ cell
    skewed, plain = (Atoms(symbols, positions=positions, cell=c, pbc=True) for c in (skew @ cell, cell))
    near = neighbor_list("d", plain, list(Gates().min_distance_fraction * covalent_radii[plain.numbers]))
    found = Gates().before(skewed)
    if found is None or found.reason != "no_cell":
        assert (found is not None) == (len(near) > 0)
