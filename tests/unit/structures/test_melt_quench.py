"""Melt-quench dynamics, on a calculator that takes no time."""

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones

from interphase_flows.exceptions import DynamicsError, StructureError
from interphase_flows.structures.amorphous import composition_on_line, random_packing
from interphase_flows.structures.checks import check_no_overlap, minimum_distance_angstrom
from interphase_flows.structures.melt_quench import melt_quench, soft_push_off


class Attraction(Calculator):
    """Pulls every atom to the middle of the cell: makes atoms overlap on purpose."""

    implemented_properties = ("energy", "forces")

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.positions - self.atoms.cell.sum(axis=0) / 2
        self.results = {"energy": 0.5 * self.strength * (away**2).sum(), "forces": -self.strength * away}


@pytest.fixture
def packing():
    return random_packing(composition_on_line(0.5, 42), seed=0)


def lennard_jones():
    return LennardJones(sigma=2.0, epsilon=0.05, rc=5.0, smooth=True)


def test_snapshots_keep_the_atoms_and_carry_no_calculator(packing):
    before = packing.positions.copy()
    frames = melt_quench(packing, lennard_jones(), seed=1, melt_steps=12, quench_steps=8, snapshot_interval=6)
    assert [frame.info["step"] for frame in frames] == [6, 12, 18, 20]
    assert frames[0].info["temperature_K"] == 1500.0
    assert frames[-1].info["temperature_K"] == pytest.approx(300.0)
    for frame in frames:
        assert np.array_equal(frame.numbers, packing.numbers)
        assert frame.calc is None
        assert not frame.constraints
        assert np.array_equal(frame.cell.array, packing.cell.array)
        check_no_overlap(frame)
    assert np.array_equal(packing.positions, before)


def test_the_same_seed_gives_the_same_frames(packing):
    first, again, other = (
        melt_quench(packing, lennard_jones(), seed=seed, melt_steps=5, quench_steps=5) for seed in (1, 1, 2)
    )
    assert np.array_equal(first[-1].positions, again[-1].positions)
    assert not np.allclose(first[-1].positions, other[-1].positions)


def test_the_centre_of_mass_stays(packing):
    frames = melt_quench(packing, lennard_jones(), seed=1, melt_steps=10, quench_steps=10)
    start = soft_push_off(packing).get_center_of_mass()
    assert frames[-1].get_center_of_mass() == pytest.approx(start, abs=1e-8)


def test_frames_with_overlapping_atoms_are_dropped_and_counted(packing, caplog):
    with caplog.at_level(logging.WARNING):
        frames = melt_quench(
            packing, Attraction(0.5), seed=1, melt_steps=40, quench_steps=0, snapshot_interval=1
        )
    assert 0 < len(frames) < 40
    assert f"dropped {40 - len(frames)} of 40" in caplog.text


def test_a_run_of_nothing_but_overlaps_is_an_error(packing):
    with pytest.raises(DynamicsError, match="all 1 frames overlap"):
        melt_quench(packing, Attraction(0.5), seed=1, melt_steps=30, quench_steps=0, snapshot_interval=30)


def test_a_run_that_explodes_is_stopped(packing):
    with pytest.raises(DynamicsError, match="temperature"):
        melt_quench(packing, Attraction(1e6), seed=1, melt_steps=20)


@pytest.mark.parametrize(
    "change", [{"timestep_fs": 0.0}, {"snapshot_interval": 0}, {"melt_temperature_K": -1.0}]
)
def test_settings_without_sense_are_refused_by_name(packing, change):
    with pytest.raises(StructureError, match=next(iter(change))):
        melt_quench(packing, lennard_jones(), seed=1, **change)


def test_push_off_separates_close_atoms_and_keeps_their_middle():
    pair = Atoms("PS", positions=[[4, 4, 4], [4, 4, 5.0]], cell=[9] * 3, pbc=True)
    pushed = soft_push_off(pair)
    assert minimum_distance_angstrom(pushed) > 1.9
    assert pushed.positions.mean(axis=0) == pytest.approx(pair.positions.mean(axis=0))
    assert pair.positions[1, 2] == 5.0
