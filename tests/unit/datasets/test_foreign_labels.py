"""Gates of labels that other programs computed, on EMT labels of copper and gold with planted defects."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import Bohr, GPa, Hartree

from interphase_flows.datasets.compared_labels import typical_errors
from interphase_flows.datasets.foreign_labels import check_foreign_labels
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.pair_model import CENTRES_ANGSTROM, PairModel, fit_pair_model
from interphase_flows.datasets.unit_consistency import check_units
from interphase_flows.reference.k_points import n_irreducible_k_points
from interphase_flows.reference.labelling import RawLabel, method_identity
from interphase_flows.reference.spec import GpawSpec

GATES = Gates()
DETAILS = {"code": "GPAW", "functional": "PBE", "cutoff_eV": 350.0, "n_scf_steps": 20, "max_scf_steps": 150}
METHOD = method_identity("gpaw", "GPAW", "25.1.0", GpawSpec().model_dump(mode="json", exclude={"method"}))
BAD = 5
"""Place of the planted defect; a rattled cell of CuAu."""


def emt_label(atoms: Atoms) -> RawLabel:
    atoms = atoms.copy()
    atoms.calc = EMT()
    return RawLabel(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), details=dict(DETAILS))


@pytest.fixture(scope="module")
def good() -> tuple[list[Atoms], list[RawLabel]]:
    """Cells of four compositions, strained by 4 % and rattled by 0.02 to 0.2 Å, of 4 to 16 atoms."""
    generator = np.random.default_rng(23)
    frames = []
    for number in range(60):
        n_gold = number % 4
        atoms = bulk("Cu", a=3.65 + 0.13 * n_gold, cubic=True)
        atoms.symbols[:n_gold] = "Au"
        if number % 3 == 2:
            atoms = atoms.repeat((2, 2, 1))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + generator.uniform(-0.04, 0.04, (3, 3))), scale_atoms=True)
        atoms.rattle(generator.uniform(0.02, 0.2), rng=generator)
        frames.append(atoms)
    frames[BAD].rattle(0.1, seed=3)
    return frames, [emt_label(atoms) for atoms in frames]


def reasons(frames, labels, **options) -> list[str | None]:
    return [None if each is None else each.reason for each in check_foreign_labels(frames, labels, GATES, **options)]


def test_good_labels_pass(good):
    assert reasons(*good, method=METHOD, elements={"Cu", "Au"}) == [None] * 60


def with_details(**details) -> dict:
    return {"details": DETAILS | details}


def other_order(raw: RawLabel) -> dict:
    return {"forces_eV_per_angstrom": np.roll(raw.forces_eV_per_angstrom, 1, axis=0)}


DEFECTS = {
    "energy shift": (lambda raw: {"energy_eV": raw.energy_eV + 0.6 * 16}, "energy_outlier"),
    "energy in Hartree": (lambda raw: {"energy_eV": raw.energy_eV / Hartree - 12.0}, "energy_outlier"),
    "sign of forces": (lambda raw: {"forces_eV_per_angstrom": -raw.forces_eV_per_angstrom}, "force_outlier"),
    "forces in Hartree/bohr": (
        lambda raw: {"forces_eV_per_angstrom": raw.forces_eV_per_angstrom / (Hartree / Bohr)},
        "force_outlier",
    ),
    "order of forces": (other_order, "force_outlier"),
    "stress in kbar": (
        lambda raw: {"stress_eV_per_angstrom3": raw.stress_eV_per_angstrom3 / (0.1 * GPa)},
        "stress_units",
    ),
    "no stress": (lambda raw: {"stress_eV_per_angstrom3": None}, "missing_property"),
    "functional": (lambda raw: with_details(functional="PBEsol"), "level_of_theory"),
    "cutoff": (lambda raw: with_details(cutoff_eV=400.0), "level_of_theory"),
    "code": (lambda raw: with_details(code="VASP"), "level_of_theory"),
    "k-points": (lambda raw: with_details(n_k_points=1), "level_of_theory"),
    "SCF steps": (lambda raw: with_details(n_scf_steps=150), "scf_not_converged"),
    "SCF flag": (lambda raw: {"is_scf_converged": False}, "scf_not_converged"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defect_is_rejected_alone(good, name):
    frames, labels = good
    change, reason = DEFECTS[name]
    wrong = [replace(raw, **change(raw)) if place == BAD else raw for place, raw in enumerate(labels)]
    assert reasons(frames, wrong, method=METHOD) == [reason if place == BAD else None for place in range(60)]


@pytest.mark.parametrize("name", ["functional", "cutoff", "code"])
def test_level_of_theory_of_most_labels_is_expected_without_a_declared_one(good, name):
    frames, labels = good
    wrong = [replace(raw, **DEFECTS[name][0](raw)) if place == BAD else raw for place, raw in enumerate(labels)]
    assert reasons(frames, wrong) == ["level_of_theory" if place == BAD else None for place in range(60)]


def test_names_of_a_functional_in_other_spelling_are_equal(good):
    frames, labels = (part[:4] for part in good)
    names = ["PE", "pbe", "Pbe", "PBE"]
    others = [replace(labels[place], details=DETAILS | {"functional": text}) for place, text in enumerate(names)]
    assert reasons(frames, others, method=METHOD) == [None] * 4
    assert reasons(frames, others, method=METHOD, elements=["Cu"]) == [None, *["foreign_element"] * 3]


def test_finished_scf_at_the_last_step_passes(good):
    frames, labels = (part[:4] for part in good)
    last = [replace(raw, is_scf_converged=True, details=DETAILS | {"n_scf_steps": 150}) for raw in labels]
    assert reasons(frames, last, method=METHOD) == [None] * 4


def test_k_points_may_be_reduced_by_symmetry():
    """A mesh of 5 x 5 x 5 for a density of 3 per Å⁻¹: complete, without inversion, or by the symmetry of the crystal."""
    crystal = bulk("Cu", a=3.8, cubic=True)
    rattled = crystal.copy()
    rattled.rattle(0.05, seed=1)
    assert [n_irreducible_k_points((5, 5, 5), atoms) for atoms in (crystal, rattled)] == [10, 63]
    for atoms, passing in ((crystal, (10, 63, 125)), (rattled, (63, 125, 216))):
        for n_k_points in (4, 8, 10, 63, 125, 216, 1000):
            raw = replace(emt_label(atoms), details={"n_k_points": n_k_points})
            found = reasons([atoms], [raw], method=METHOD)
            assert (found == [None]) is (passing[0] <= n_k_points <= 216), n_k_points


def test_set_without_stress_passes_and_defects_are_still_found(good):
    frames, labels = good
    without = [replace(raw, stress_eV_per_angstrom3=None) for raw in labels]
    assert reasons(frames, without) == [None] * 60
    without[BAD] = replace(without[BAD], energy_eV=without[BAD].energy_eV - 10.0)
    assert reasons(frames, without)[BAD] == "energy_outlier"


def test_few_labels_are_compared_with_the_median_of_their_composition(good):
    """Five labels of one composition are too few for pair potentials."""
    frames, labels = (part[1:20:4] for part in good)
    assert reasons(frames, labels) == [None] * 5
    labels[2] = replace(labels[2], energy_eV=labels[2].energy_eV + 2.0 * len(frames[2]))
    assert reasons(frames, labels) == [None, None, "energy_outlier", None, None]


def test_structures_are_checked_before_neighbours(good):
    frames, labels = ([*part] for part in good)
    frames[0], frames[1], frames[2] = frames[0].copy(), frames[1].copy(), frames[2].copy()
    frames[0].cell, frames[0].pbc = None, False
    frames[1].cell[2] = frames[1].cell[0] + frames[1].cell[1]
    frames[2].numbers[0] = 0
    assert reasons(frames, labels)[:4] == ["no_cell", "no_cell", "unknown_element", None]


class OtherEmt:
    """EMT with another zero of energy for each element and 3 % weaker forces."""

    identity = method_identity("emt", "EMT", "1", {})

    def supports(self, atoms: Atoms) -> str | None:
        return None

    def label(self, atoms: Atoms) -> RawLabel:
        raw = emt_label(atoms)
        energy = raw.energy_eV + np.where(atoms.symbols == "Au", 3.1, -1.7).sum()
        return replace(raw, energy_eV=energy, forces_eV_per_angstrom=0.97 * raw.forces_eV_per_angstrom)


def test_exchanged_elements_are_found_by_a_pretrained_potential(good):
    """All copper and gold atoms of a cell are exchanged after the calculation."""
    frames, labels = ([*part] for part in good)
    assert reasons(frames, labels, pretrained=OtherEmt()) == [None] * 60
    frames[BAD] = frames[BAD].copy()
    frames[BAD].numbers = np.where(frames[BAD].numbers == 29, 79, 29)
    found = reasons(frames, labels, pretrained=OtherEmt())
    assert found[BAD] is not None
    assert [reason for place, reason in enumerate(found) if place != BAD] == [None] * 59


def test_forces_and_stress_of_pair_potentials_are_derivatives(good):
    frames, labels = good
    model = fit_pair_model(
        frames, np.array([raw.energy_eV for raw in labels]), [raw.forces_eV_per_angstrom for raw in labels]
    )
    atoms, step = frames[BAD], 1e-4
    _, forces, stress = model.predict(atoms)
    energies = []
    for sign in (1, -1):
        moved, strained = atoms.copy(), atoms.copy()
        moved.positions[3, 1] += sign * step
        strained.set_cell(atoms.cell.array * [1, 1 + sign * step, 1], scale_atoms=True)
        energies.append([model.predict(each)[0] for each in (moved, strained)])
    by_position, by_strain = (np.array(energies[0]) - energies[1]) / (2 * step)
    assert forces[3, 1] == pytest.approx(-by_position, abs=1e-5)
    assert stress[1] * atoms.get_volume() == pytest.approx(by_strain, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_pair_potentials_do_not_depend_on_the_choice_of_the_cell(seed):
    """Skewed unimodular cells of the same lattice, which have the same pairs."""
    rng = np.random.default_rng(seed)
    cell, skew = np.diag(rng.uniform(4.0, 8.0, 3)), np.eye(3, dtype=int)
    for _ in range(5):
        row, other = rng.choice(3, 2, replace=False)
        skew[row] += rng.integers(-3, 4) * skew[other]
    positions = rng.random((8, 3)) @ cell
    model = PairModel(np.array([3, 16]), np.array([-1.0, -2.0]), rng.normal(size=(3, len(CENTRES_ANGSTROM))))
    predictions = [
        model.predict(Atoms("Li4S4", positions=positions, cell=each, pbc=True)) for each in (cell, skew @ cell)
    ]
    for one, other in zip(*predictions, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_a_rejected_label_with_an_element_that_no_other_has(good):
    """The second fit, without the rejected label, has no potential of its element, which follows the others."""
    frames = [atoms for atoms in good[0] if "Au" not in atoms.symbols]
    frames = [atoms.repeat(2) for atoms in frames]
    frames.append(frames[0].copy())
    frames[-1].symbols[:2] = "Au"
    frames[-1].rattle(0.15, seed=9)
    labels = [emt_label(atoms) for atoms in frames]
    labels[-1] = replace(labels[-1], forces_eV_per_angstrom=-labels[-1].forces_eV_per_angstrom)
    assert reasons(frames, labels) == [None] * (len(frames) - 1) + ["force_outlier"]


def test_k_points_of_a_relaxation_are_those_of_its_first_cell():
    """VASP keeps the mesh of a run while its cell changes."""
    start = bulk("Cu", a=3.8, cubic=True)
    later = start.copy()
    later.set_cell(0.8 * start.cell.array, scale_atoms=True)
    raw = replace(emt_label(start), details={"n_k_points": 10})
    frames, labels = [start, later], [raw, replace(emt_label(later), details={"n_k_points": 10})]
    gates = Gates(max_virial_eV_per_atom=100.0)
    with_start = check_foreign_labels(frames, labels, gates, METHOD, run_starts=[start, start])
    alone = check_foreign_labels(frames, labels, gates, METHOD)
    assert [rejection and rejection.reason for rejection in with_start] == [None, None]
    assert [rejection and rejection.reason for rejection in alone] == [None, "level_of_theory"]


def test_a_step_without_scf_is_that_of_a_force_field(good):
    frames, labels = good
    wrong = [*labels]
    wrong[BAD] = replace(labels[BAD], details=DETAILS | {"n_scf_steps": 0})
    (rejection,) = [each for each in check_foreign_labels(frames, wrong, GATES) if each]
    assert rejection.reason == "level_of_theory"
    assert "machine-learned force field" in rejection.explanation


CONVENTIONS = {
    "forces in Hartree/bohr": (
        lambda raw: {"forces_eV_per_angstrom": raw.forces_eV_per_angstrom / 51.42},
        "force_units",
    ),
    "energies in Hartree": (lambda raw: {"energy_eV": raw.energy_eV / Hartree}, "force_units"),
    "energies in kcal/mol": (lambda raw: {"energy_eV": 23.06 * raw.energy_eV}, "force_units"),
    "gradients": (lambda raw: {"forces_eV_per_angstrom": -raw.forces_eV_per_angstrom}, "force_sign"),
    "pressures": (lambda raw: {"stress_eV_per_angstrom3": -raw.stress_eV_per_angstrom3}, "stress_sign"),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_convention_of_a_file_is_found(good, name):
    """All labels of a file agree with each other, but not its energies with its forces, or forces with stresses."""
    frames, labels = good
    change, reason = CONVENTIONS[name]
    wrong = [replace(raw, **change(raw)) for raw in labels]
    assert (
        reasons([*frames, *frames], [*labels, *wrong], files=["right"] * 60 + ["wrong"] * 60)
        == [None] * 60 + [reason] * 60
    )


def test_small_stresses_in_gpa_are_found(good):
    """The limit of single labels lets them pass."""
    frames, labels = good
    gates = Gates(max_virial_eV_per_atom=1e4)
    wrong = [replace(raw, stress_eV_per_angstrom3=raw.stress_eV_per_angstrom3 / GPa) for raw in labels]
    found = check_foreign_labels(frames, wrong, gates)
    assert {each and each.reason for each in found} == {"stress_units"}
    assert found[0] is not None
    assert "--stress-unit" in found[0].explanation


def test_hint_names_the_unit(good):
    frames, labels = good
    wrong = [replace(raw, forces_eV_per_angstrom=raw.forces_eV_per_angstrom / (Hartree / Bohr)) for raw in labels]
    first = check_foreign_labels(frames, wrong, GATES)[0]
    assert first is not None
    assert "Hartree/bohr" in first.explanation


def test_few_or_equal_labels_have_no_convention(good):
    """Energies that do not change, or change as by chance, say nothing."""
    frames, labels = good
    wrong = [replace(raw, forces_eV_per_angstrom=-raw.forces_eV_per_angstrom) for raw in labels]
    assert check_units(frames[:8], wrong[:8]) is None
    assert check_units([frames[0]] * 60, [replace(wrong[0], stress_eV_per_angstrom3=None)] * 60) is None
    noise = np.random.default_rng(5).normal(size=60)
    assert (
        check_units(frames, [replace(raw, energy_eV=value) for raw, value in zip(labels, noise, strict=True)]) is None
    )


def test_scatter_of_a_composition_is_its_own_scale():
    """Pair potentials describe some compositions worse than others."""
    frames = [bulk("Cu", cubic=True)] * 4 + [bulk("Au", cubic=True)] * 4 + [bulk("CuAu", "rocksalt", a=5.0)]
    assert typical_errors(frames, [0.1] * 4 + [2.0, 2.0, 2.0, 0.1] + [9.0]).tolist() == [0.1] * 4 + [2.0] * 4 + [0.1]
