"""Gates on CHGNet labels: good labels pass, labels with a planted fault are rejected."""

import pytest
from ase import Atoms
from ase.units import GPa

from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.symmetry import largest_asymmetry
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.structures.amorphous.mixtures import (
    composition_on_line,
    random_packing,
    remove_overlaps,
)
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import repeated, strained_and_rattled
from interphase_flows.structures.interfaces.small_interfaces import small_interface

PHASES = ["Li", "Li2S", "Li3P", "LiP", "Li7P3S11"]
GATES = Gates()


def crystal(name: str) -> Atoms:
    return repeated(load_phase(name), 8)


def perturbed() -> list[Atoms]:
    """Return strained and rattled crystals, random packings, and an interface."""
    frames = [
        copy
        for name in PHASES
        for strain, rattle in ((0.04, 0.12), (0.1, 0.02))
        for copy in strained_and_rattled(crystal(name), 3, strain, rattle, seed=7)
    ]
    glasses = [remove_overlaps(random_packing(composition_on_line(fraction, 45), seed=3)) for fraction in (0.07, 0.53)]
    return [*frames, *glasses, small_interface().atoms]


@pytest.fixture(scope="module")
def labels() -> list[tuple[Atoms, RawLabel]]:
    method = CHGNetMethod()
    return [(atoms, method.label(atoms)) for atoms in perturbed()]


def changed(raw: RawLabel, **fields) -> RawLabel:
    return RawLabel(**(vars(raw) | fields))


def test_labels_of_strained_rattled_and_molten_cells_pass(labels):
    """Except labels beyond the limit of forces."""
    rejected = [GATES.after(atoms, raw) for atoms, raw in labels]
    assert {rejection.reason for rejection in rejected if rejection} <= {"max_force"}
    assert sum(rejection is None for rejection in rejected) >= 0.9 * len(labels)


@pytest.mark.parametrize("unit", [1 / GPa, 10 / GPa], ids=["GPa", "kbar"])
def test_labels_with_stress_in_other_units_are_rejected(labels, unit):
    for atoms, raw in labels:
        wrong = changed(raw, stress_eV_per_angstrom3=raw.stress_eV_per_angstrom3 * unit)
        assert GATES.after(atoms, wrong).reason == "stress_units"


def test_single_wrong_force_is_rejected(labels):
    """An error of 0.5 eV/Å on one atom of any label."""
    for atoms, raw in labels:
        forces = raw.forces_eV_per_angstrom.copy()
        forces[len(atoms) // 2, 2] += 0.5
        assert GATES.after(atoms, changed(raw, forces_eV_per_angstrom=forces)).reason in (
            "net_force",
            "max_force",
        )


@pytest.mark.parametrize("name", ["Li", "Li2S", "Li3P", "LiP"])
def test_perfect_crystals_have_the_forces_of_their_symmetry(name):
    """Within 1 meV/Å; forces of a rattled crystal are rejected."""
    atoms = crystal(name)
    raw = CHGNetMethod().label(atoms)
    asymmetry, n_operations = largest_asymmetry(atoms, raw.forces_eV_per_angstrom)
    assert n_operations > 1
    assert asymmetry < 1e-3
    assert GATES.after(atoms, raw) is None
    other = atoms.copy()
    other.rattle(0.05, seed=2)
    label_of_other = CHGNetMethod().label(other)
    assert GATES.after(atoms, label_of_other).reason == "asymmetric_forces"
