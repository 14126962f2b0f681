"""Learned features of atoms: what the potential reads energies from, with its symmetries."""

import numpy as np
import pytest
from nequip.data import AtomicDataDict

from interphase_flows.exceptions import TrainingError
from interphase_flows.potentials.committee import load_calculator
from interphase_flows.potentials.features import atomic_features
from tiny_training import all_frames

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calculator(checkpoints):
    return load_calculator(checkpoints[0])


def test_atomic_energies_are_linear_in_the_features(calculator):
    """The readout is linear, with a scale and a shift of each element; the pair repulsion is added after it."""
    frames = all_frames()
    features = np.concatenate(atomic_features(calculator, frames))
    learned = []
    hook = calculator.model.model.func.per_type_energy_scale_shift.register_forward_hook(
        lambda _, inputs, output: learned.append(output[AtomicDataDict.PER_ATOM_ENERGY_KEY].numpy(force=True)[:, 0])
    )
    for frame in frames:
        calculator.call_model(dict(calculator.atoms_to_data(frame)))
    hook.remove()
    energies = np.concatenate(learned)
    symbols = np.concatenate([np.asarray(frame.symbols) for frame in frames])
    for element in np.unique(symbols):
        chosen = symbols == element
        design = np.column_stack([features[chosen], np.ones(chosen.sum())])
        fitted = design @ np.linalg.lstsq(design, energies[chosen])[0]
        assert np.abs(fitted - energies[chosen]).max() < 1e-4 * np.ptp(energies)
    assert np.ptp(energies[symbols == "Li"]) > 1e-3


def test_features_are_invariant_and_local_to_an_atom(calculator):
    frame = all_frames()[0]
    order = np.random.default_rng(3).permutation(len(frame))
    rotated = frame.copy()
    rotated.rotate(40, (1, 2, 3), rotate_cell=True)
    rotated.translate((0.3, 1.0, -2.0))
    pushed = frame.copy()
    pushed.positions[0] += (0.2, 0, 0)
    base, permuted, moved, changed = atomic_features(calculator, [frame, frame[order], rotated, pushed])
    np.testing.assert_allclose(permuted, base[order], atol=1e-4)
    np.testing.assert_allclose(moved, base, atol=1e-4)
    assert np.abs(changed - base).max() > 1e-2


def test_prediction_is_unchanged_by_features(calculator):
    frame = all_frames()[0]
    before = calculator.get_property("forces", frame.copy())
    atomic_features(calculator, [frame])
    calculator.reset()
    np.testing.assert_array_equal(calculator.get_property("forces", frame.copy()), before)


def test_model_without_readout_raises():
    class Compiled:
        model = None

    with pytest.raises(TrainingError, match="Hint: use a checkpoint"):
        atomic_features(Compiled(), all_frames()[:1])
