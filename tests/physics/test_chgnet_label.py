"""CHGNet as a reference method: derivatives, symmetry, reproducibility, independence of global state."""

import copy

import numpy as np
import pytest
import torch
from ase import Atoms
from monty.json import MontyDecoder

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.reference.relaxation import relax
from interphase_flows.structures.crystals.library import load_phase

STRESS_TOLERANCE = 0.02
"""Relative; single-precision energies and a strain step of 1e-3 have an error of about half a per cent."""
STRAIN_STEP = 1e-3
SYMMETRY_FORCE_EV_PER_ANGSTROM = 1e-3


@pytest.fixture(scope="module")
def method() -> CHGNetMethod:
    return CHGNetMethod()


def strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result


@pytest.fixture(scope="module")
def stretched() -> Atoms:
    """Li2S strained by 3 %; its stress is positive (tension)."""
    return strained(load_phase("Li2S"), 0.03 * np.eye(3))


def test_stress_is_the_strain_derivative_of_the_energy_in_ev_per_cubic_angstrom(method, stretched):
    """Voigt order, sign and unit of xx, zz and xy, by central differences."""
    cell = strained(stretched, np.array([[0.01, 0.02, 0.0], [0.02, 0.0, 0.0], [0.0, 0.0, 0.005]]))
    stress = method.label(cell).stress_eV_per_angstrom3
    for voigt, (i, j) in {0: (0, 0), 2: (2, 2), 5: (0, 1)}.items():
        step = np.zeros((3, 3))
        step[i, j] = step[j, i] = STRAIN_STEP
        up, down = (method.label(strained(cell, sign * step)).energy_eV for sign in (1, -1))
        multiplicity = 1 if i == j else 2  # a shear strains xy and yx
        expected = (up - down) / (2 * STRAIN_STEP * multiplicity * cell.get_volume())
        assert stress[voigt] == pytest.approx(expected, rel=STRESS_TOLERANCE)
        assert expected > 0


def test_forces_forbidden_by_symmetry_vanish(method):
    label = method.label(load_phase("Li2S"))
    assert np.abs(label.forces_eV_per_angstrom).max() < SYMMETRY_FORCE_EV_PER_ANGSTROM


def test_label_is_reproducible_and_independent_of_torch_default_dtype(method, stretched):
    """NequIP sets the default dtype to float64; a label restores it."""
    stretched = stretched.copy()
    stretched.rattle(0.05, seed=1)
    first = method.label(stretched)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        second = CHGNetMethod().label(stretched)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(before)
    assert second.energy_eV == first.energy_eV
    np.testing.assert_array_equal(second.forces_eV_per_angstrom, first.forces_eV_per_angstrom)
    np.testing.assert_array_equal(second.stress_eV_per_angstrom3, first.stress_eV_per_angstrom3)


def test_energy_is_invariant_under_translation(method, stretched):
    """Within single precision."""
    moved = stretched.copy()
    moved.translate([0.4, -3.0, 9.1])
    tolerance_eV_per_atom = 1e-5
    difference_eV = abs(method.label(moved).energy_eV - method.label(stretched).energy_eV)
    assert difference_eV / len(moved) < tolerance_eV_per_atom


def test_unsupported_element_raises_with_its_name(method):
    with pytest.raises(ReferenceMethodError, match="Am"):
        method.label(Atoms("LiAm", positions=[[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True))


def test_relaxation_lowers_the_energy_and_does_not_change_its_input(method, stretched):
    """Too few steps are reported, not an error."""
    before = stretched.copy()
    unconverged = relax(stretched, method, max_steps=1)
    relaxed = relax(stretched, method, max_force_eV_per_angstrom=0.1, max_steps=60)
    assert not unconverged.is_converged
    assert relaxed.is_converged
    assert relaxed.energy_eV < method.label(stretched).energy_eV
    assert relaxed.atoms.get_volume() < stretched.get_volume()
    np.testing.assert_array_equal(stretched.positions, before.positions)
    assert stretched.calc is None


@pytest.mark.parametrize(
    "maker", [LabelMaker(gates=Gates(max_force_eV_per_angstrom=3.0)), LabelSetMaker(labels_per_job=2)]
)
def test_maker_is_unchanged_by_make_and_round_trips_through_its_dictionary(maker):
    before = copy.deepcopy(maker.as_dict())
    maker.make(None, *([[0]] if isinstance(maker, LabelMaker) else []))
    assert maker.as_dict() == before
    assert MontyDecoder().process_decoded(before) == maker
