"""Committees of trained potentials: differences by seed, exact restarts, caching."""

import numpy as np
import pytest

from exact_restart import assert_restart_is_exact
from interphase_flows.exceptions import TrainingError
from interphase_flows.md.dynamics import LangevinNPT, LangevinNVT
from interphase_flows.potentials.committee import NequIPCommittee, load_calculator
from interphase_flows.potentials.committee import _loaded as potentials_of_this_process
from interphase_flows.potentials.training import TrainedMember
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

    def load() -> NequIPCommittee:
        potentials_of_this_process.cache_clear()  # as in a new process
        return NequIPCommittee([first_model.checkpoint, second_model.checkpoint])

    assert_restart_is_exact(tmp_path, load, dynamics)


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
    with pytest.raises(TrainingError, match=r"best\.ckpt is not a checkpoint of NequIP.*train the potential again"):
        load_calculator(path)
