"""Equations of state of bulk phases by a potential and by its labels."""

from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.analysis.results import Unavailable
from interphase_flows.campaign.structures import EquationOfStateSpec
from interphase_flows.jobs.equations_of_state import compare, notes_on, scaled_cells
from interphase_flows.jobs.structures.crystals import CrystalsMaker, EquationsOfStateMaker
from interphase_flows.schemas.equations_of_state import Equilibrium
from interphase_flows.schemas.origin import Origin
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import equation_of_state
from interphase_flows.structures.structure_keys import structure_key


class Scaled(Calculator):
    """EMT at lengths divided by a factor: the equilibrium volume is exactly factor³ that of EMT."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, factor: float, tension_eV_per_angstrom3: float = 0.0) -> None:
        super().__init__()
        self.factor, self.tension = factor, tension_eV_per_angstrom3

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        inner = Atoms(atoms.numbers, cell=atoms.cell.array / self.factor, pbc=True)
        inner.set_scaled_positions(atoms.get_scaled_positions())
        inner.calc = EMT()
        volume = atoms.get_volume()
        self.results["energy"] = inner.get_potential_energy() + self.tension * volume
        self.results["forces"] = np.zeros((len(atoms), 3))
        self.results["stress"] = inner.get_stress() / self.factor**3 + self.tension * np.array([1, 1, 1, 0, 0, 0])


def labelled(calculator: Calculator) -> list[Atoms]:
    frames = equation_of_state(bulk("Cu", a=3.59), 7, 0.08)
    for frame in frames:
        frame.calc = calculator
        results = {"energy": frame.get_potential_energy(), "forces": frame.get_forces(), "stress": frame.get_stress()}
        frame.calc = SinglePointCalculator(frame, **results)
    return frames[::-1]


def test_potential_that_is_the_reference_agrees():
    """The bulk modulus of copper by EMT is 134 GPa (Jacobsen, Stoltze, Norskov, Surf. Sci. 366, 394 (1996))."""
    curves = compare(labelled(EMT()), [EMT(), EMT()])
    assert isinstance(curves.potential, Equilibrium)
    assert curves.volume_error == pytest.approx(0.0, abs=1e-9)
    assert curves.potential_stress_GPa == pytest.approx(curves.reference_stress_GPa)
    assert curves.potential_stress_std_GPa == pytest.approx([0.0] * 7)
    assert curves.volume_angstrom3_per_atom == sorted(curves.volume_angstrom3_per_atom)
    assert curves.potential.bulk_modulus_GPa == pytest.approx(134, rel=0.03)
    assert notes_on("Cu", curves) == []


def test_wrong_volume_and_spread_of_members_are_reported():
    curves = compare(labelled(EMT()), [Scaled(1.02), Scaled(1.02, 0.01)])
    assert curves.volume_error == pytest.approx(1.02**3 - 1, abs=2e-3)
    assert curves.potential_stress_std_GPa == pytest.approx([0.01 * 160.2176634 / np.sqrt(2)] * 7)
    [note] = notes_on("Cu", curves)
    assert "+6 %" in note


def test_potential_without_minimum_is_reported():
    """As with a potential that has never seen the volume of a metal change: it expands without limit."""
    curves = compare(labelled(EMT()), [Scaled(1.0, -0.5)])
    assert isinstance(curves.potential, Unavailable)
    assert curves.volume_error is None
    [note] = notes_on("Cu", curves)
    assert "no equilibrium volume of Cu" in note


def test_unstrained_cell_is_part_of_the_curve_though_the_perfect_crystal_has_its_label():
    """Of equal structures the first is labelled, which is that of the crystals for twelve atoms or more."""
    phase, spec = "Li2S", EquationOfStateSpec(n_volumes=5)
    crystal = load_phase(phase)
    crystals = CrystalsMaker().structures_of_phase(crystal, seed=1)
    scaled = EquationsOfStateMaker(spec=spec).structures_of_phase(crystal, seed=1)
    origins = [f"crystal/{phase}"] * len(crystals) + [EquationsOfStateMaker.origin.format(phase)] * len(scaled)
    labelled_once = {}
    for frame, origin in zip([*crystals, *scaled], origins, strict=True):
        frame.info["origin"] = origin
        labelled_once.setdefault(structure_key(frame), frame)
    assert len(labelled_once) == len(crystals) + len(scaled) - 1
    found = scaled_cells(list(labelled_once.values()))
    assert sorted(f.get_volume() for f in found[phase]) == pytest.approx([f.get_volume() for f in scaled])


def test_reference_without_minimum_is_not_held_against_the_potential():
    curves = compare(labelled(Scaled(1.0, -0.5)), [EMT()])
    assert isinstance(curves.reference, Unavailable)
    [note] = notes_on("Cu", curves)
    assert "The labels give no equilibrium volume of Cu" in note


def test_origin_names_the_phase_of_a_scaled_crystal():
    assert Origin("crystal/Li2S equation of state").scaled_phase == "Li2S"
    assert Origin("crystal/Li2S").scaled_phase is None
    assert Origin("slab/Li2S equation of state").scaled_phase is None


def test_too_few_labelled_volumes_are_reported():
    """As when `max_first_labels` leaves out scaled cells, or gates reject their labels."""
    [note] = notes_on("Cu", compare(labelled(EMT())[:4], [EMT()]))
    assert "4 volumes" in note
