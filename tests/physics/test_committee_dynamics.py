"""Committees of trained potentials: differences by seed, exact restarts, caching."""

from pathlib import Path

import numpy as np
import pytest

from interphase_flows.exceptions import TrainingError
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNPT, LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.potentials.committee import NequIPCommittee, load_calculator
from interphase_flows.potentials.committee import _loaded as potentials_of_this_process
from interphase_flows.potentials.training import TrainedMember
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from tiny_training import all_frames, train

SAME_FORCE_EV_PER_ANGSTROM = 1e-5
"""Single precision: another neighbour list changes the order of sums."""


@pytest.fixture(scope="module")
def first_model(tmp_path_factory) -> TrainedMember:
    return train(tmp_path_factory.mktemp("first_model") / "model")


@pytest.fixture(scope="module")
def second_model(tmp_path_factory) -> TrainedMember:
    """Potential with another seed."""
    return train(tmp_path_factory.mktemp("second_model") / "model", seed=2)


def test_members_differ_by_seed_and_agree_with_single_calculators(first_model, second_model):
    atoms = all_frames()[0].copy()
    committee = NequIPCommittee([first_model.checkpoint, second_model.checkpoint, first_model.checkpoint])
    forces = committee.forces_all(atoms)
    assert forces.shape == (3, len(atoms), 3)
    for index, path in enumerate((first_model.checkpoint, second_model.checkpoint, first_model.checkpoint)):
        calculator = load_calculator(path)
        alone = calculator.get_forces(atoms)
        np.testing.assert_allclose(forces[index], alone, rtol=0, atol=SAME_FORCE_EV_PER_ANGSTROM)
    assert np.abs(forces[0] - forces[1]).max() > 100 * SAME_FORCE_EV_PER_ANGSTROM
    energies, all_forces, stresses = committee.predict_all(atoms)
    np.testing.assert_allclose(all_forces, forces, rtol=0, atol=SAME_FORCE_EV_PER_ANGSTROM)
    assert energies.shape == (3,)
    assert stresses.shape == (3, 6)


@pytest.mark.parametrize(
    "dynamics",
    [
        LangevinNVT(temperature_K=200.0, timestep_fs=1.0),
        LangevinNPT(temperature_K=200.0, timestep_fs=1.0, pressure_GPa=1.0, barostat_time_fs=100.0),
    ],
    ids=["nvt", "npt"],
)
def test_dynamics_with_a_committee_restart_exactly(tmp_path, first_model, second_model, dynamics):
    """17 + 23 steps equal 40 steps, including the cell."""
    start = strained_and_rattled(load_phase("Li2S"), 1, 0.0, 0.05, 3, min_atoms=12)[0]
    monitor = UncertaintyMonitor(
        interval_steps=1,
        select_force_std_eV_per_angstrom=0.0,
        stop_force_std_eV_per_angstrom=None,
        close_contact_fraction=0.2,
        max_temperature_factor=50.0,
        grace_factor=50.0,
        max_candidates=3,
        candidate_window_steps=10,
    )

    def segment(folder: Path, last_step: int | None = None):
        n_calls = 0

        def stop_requested() -> bool:
            nonlocal n_calls
            n_calls += 1
            return n_calls == last_step

        potentials_of_this_process.cache_clear()  # as in a new process
        return run_segment(
            start,
            NequIPCommittee([first_model.checkpoint, second_model.checkpoint]),
            dynamics,
            n_steps=40,
            seed=5,
            folder=folder,
            monitor=monitor,
            frame_interval_steps=4,
            checkpoint_interval_steps=100,
            stop_requested=stop_requested if last_step else None,
        )

    at_once = segment(tmp_path / "at once")
    stopped = segment(tmp_path / "in two", last_step=17)
    assert (stopped.stop_reason, stopped.stop_step) == ("walltime", 17)
    resumed = segment(tmp_path / "in two")
    assert (at_once.stop_reason, at_once.stop_step) == ("finished", 40)
    one, two = read_checkpoint(at_once.last_good_checkpoint), read_checkpoint(resumed.last_good_checkpoint)
    assert one.state_sha256() == two.state_sha256()
    assert one.generator_state == two.generator_state
    assert (one.cell == start.cell.array).all() == isinstance(dynamics, LangevinNVT)
    np.testing.assert_array_equal(at_once.normal_stress_GPa, resumed.normal_stress_GPa)
    assert at_once.trajectory.read_bytes() == resumed.trajectory.read_bytes()
    np.testing.assert_array_equal(at_once.uncertainty_eV_per_angstrom, resumed.uncertainty_eV_per_angstrom)
    assert [c.step for c in at_once.candidates] == [c.step for c in resumed.candidates]


def test_cached_potentials_have_independent_calculators(tmp_path, first_model, second_model):
    """A file with another content is another potential."""
    atoms = all_frames()[0].copy()
    path = tmp_path / "best.ckpt"
    path.write_bytes(first_model.checkpoint.read_bytes())
    first, second = load_calculator(path), load_calculator(path)
    assert first.model is second.model
    forces = first.get_forces(atoms)
    assert second.results == {}
    assert second.atoms is None
    path.write_bytes(second_model.checkpoint.read_bytes())
    other = load_calculator(path).get_forces(atoms)
    assert np.abs(other - forces).max() > 100 * SAME_FORCE_EV_PER_ANGSTROM


def test_invalid_checkpoint_raises(tmp_path):
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"best\.ckpt cannot be loaded.*train it again"):
        load_calculator(path)
