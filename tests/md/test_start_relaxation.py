"""Relaxation of the start of a run: limits, record, exact restarts, errors."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.md.start_relaxation import MAX_STEP_ANGSTROM, StartRelaxation, relax_start


@pytest.fixture
def argon_potential(pair_committee) -> Calculator:
    return pair_committee.dynamics_calculator


@pytest.fixture
def strained(argon_potential) -> Atoms:
    """Argon with one atom 0.8 Å from its site."""
    atoms = bulk("Ar", cubic=True, a=5.4) * (2, 2, 2)
    atoms.positions[0] += [0.8, 0.1, 0.0]
    atoms.calc = argon_potential
    return atoms


def test_relaxation_reaches_the_minimum_nearby(strained, argon_potential):
    ideal = bulk("Ar", cubic=True, a=5.4) * (2, 2, 2)
    ideal.calc = argon_potential
    limits = StartRelaxation(max_steps=200, max_force_eV_per_angstrom=0.002, max_displacement_angstrom=2.0)
    done = relax_start(strained, limits)
    assert done.n_steps < limits.max_steps
    assert done.max_force_eV_per_angstrom <= limits.max_force_eV_per_angstrom < done.max_force_before_eV_per_angstrom
    assert done.energy_change_eV_per_atom < 0
    assert strained.get_potential_energy() == pytest.approx(ideal.get_potential_energy(), abs=1e-3)


def test_no_atom_moves_farther_than_the_limit(strained):
    start = strained.get_positions()
    limits = StartRelaxation(max_force_eV_per_angstrom=1e-6, max_displacement_angstrom=0.3)
    done = relax_start(strained, limits)
    moved = np.linalg.norm(strained.positions - start, axis=1).max()
    assert moved == pytest.approx(done.max_displacement_angstrom)
    assert limits.max_displacement_angstrom - MAX_STEP_ANGSTROM < moved <= limits.max_displacement_angstrom


def test_limit_below_one_step_is_rejected(strained):
    """It would relax nothing."""
    with pytest.raises(ValueError, match=r"greater than or equal to 0\.05"):
        StartRelaxation(max_displacement_angstrom=0.9 * MAX_STEP_ANGSTROM)
    least = StartRelaxation(max_force_eV_per_angstrom=1e-6, max_displacement_angstrom=MAX_STEP_ANGSTROM)
    assert relax_start(strained, least).n_steps >= 1


def test_steps_do_not_become_shorter_in_larger_cells(strained, argon_potential):
    """The limit of a step is that of each atom, not of the norm over all atoms."""
    limits = StartRelaxation(max_steps=10, max_force_eV_per_angstrom=1e-6)
    repeated = strained * (2, 2, 1)
    repeated.calc = argon_potential
    moved = [relax_start(atoms, limits).max_displacement_angstrom for atoms in (repeated, strained)]
    assert moved[0] == pytest.approx(moved[1], rel=1e-9)


def test_relaxed_start_is_deterministic_and_recorded(go, tmp_path, argon):
    """60 steps equal 25 + 35 to the last bit; the continued segment is not relaxed."""
    argon.positions[0] += 0.3
    options = {"relaxation": StartRelaxation(max_force_eV_per_angstrom=0.01)}
    uninterrupted = go(tmp_path / "uninterrupted", start=argon, **options)
    first = go(tmp_path / "first", start=argon, n_steps=25, **options)
    middle = read_checkpoint(first.last_good_checkpoint)
    second = go(tmp_path / "second", n_steps=35, start=middle, seed=None, **options)
    ends = [read_checkpoint(result.last_good_checkpoint).state_sha256() for result in (uninterrupted, second)]
    assert ends[0] == ends[1]
    assert first.start_relaxation == uninterrupted.start_relaxation
    assert first.start_relaxation is not None
    assert first.start_relaxation.n_steps > 0
    assert second.start_relaxation is None
    with RunFrames([first.trajectory]) as frames:
        shift = np.linalg.norm(frames.positions(0) - argon.positions, axis=1).max()
    assert shift == pytest.approx(first.start_relaxation.max_displacement_angstrom, abs=1e-3)


def test_segment_stopped_by_the_walltime_keeps_the_record_of_its_relaxation(go, tmp_path):
    options = {"relaxation": StartRelaxation(max_force_eV_per_angstrom=0.001)}
    stopped = go(tmp_path, stop_requested=lambda: True, **options)
    assert stopped.stop_reason == "walltime"
    resumed = go(tmp_path, **options)
    assert resumed.start_relaxation == stopped.start_relaxation
    assert resumed.start_relaxation.n_steps > 0


def test_forces_that_are_not_finite_raise(strained, breaking):
    strained.calc = breaking(np.nan)
    with pytest.raises(DynamicsError, match="not finite during its relaxation"):
        relax_start(strained, StartRelaxation())
