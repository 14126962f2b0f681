"""Descriptors of ideal lattices, calibration of the rejection, and labels of crystals."""

import numpy as np
import pytest

from breathing_cells import in_changing_cell
from freud_descriptors import anion_descriptors
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.neighbours import Nearest
from interphase_flows.analysis.phases.anion_descriptors import NAMES
from interphase_flows.analysis.phases.atom_labels import ThermalReference, fit_phase_model, label_atoms
from interphase_flows.analysis.phases.gaussian_classifier import UNKNOWN, fit_gaussians
from interphase_flows.analysis.phases.grain_surfaces import with_surfaces
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from li_p_s import FIT_ARGUMENTS


def described(atoms):
    return anion_descriptors(atoms.positions, atoms.cell[:], atoms.numbers != 3, atoms.numbers == 3)


def test_descriptors_of_antifluorite():
    found = described(load_phase("Li2S"))
    assert found.shape == (4, len(NAMES))
    np.testing.assert_allclose(found[:, :2], [[0.19094, 0.57452]] * 4, atol=1e-4)
    np.testing.assert_allclose(found[:, 2:4], [[0.0, np.sqrt(2)]] * 4, atol=1e-4)
    np.testing.assert_allclose(found[:, 5:7], [[0.50918, 0.62854]] * 4, atol=1e-4)
    np.testing.assert_allclose(found[:, 8], 5.71 * np.sqrt(3) / 4, atol=1e-3)


def test_descriptors_are_independent_of_wrapping_setting_and_cell_size():
    atoms = load_phase("Li3P")
    rng = np.random.default_rng(0)
    atoms.positions += rng.normal(0, 0.1, (len(atoms), 3))
    expected = described(atoms)
    large = described(atoms * (2, 2, 2))
    np.testing.assert_allclose(large, np.tile(expected, (8, 1)), atol=1e-4)
    atoms.rotate(31, (1, 2, 3), rotate_cell=True)
    atoms.set_cell(np.array([[1, 1, 0], [0, 1, 0], [2, 0, 1]]) @ atoms.cell[:])
    atoms.positions += 3.3 * atoms.cell[0]
    np.testing.assert_allclose(described(atoms), expected, atol=1e-4)


def gaussians(rng, n=1000):
    return {"a": rng.normal(0, 1, (n, 3)), "b": rng.normal([4, 0, 0], [1, 2, 1], (n, 3))}


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_share_of_unknown_true_members_is_as_requested(share):
    rng = np.random.default_rng(3)
    model = fit_gaussians(gaussians(rng), rejected_share=share)
    fresh = gaussians(np.random.default_rng(4), n=5000)
    unknown = np.mean([model.classify(x) == UNKNOWN for x in fresh.values()])
    assert 0.4 * share < unknown < 1.8 * share


def test_outliers_are_unknown():
    rng = np.random.default_rng(5)
    model = fit_gaussians(gaussians(rng))
    assert (model.classify(rng.normal([2, 9, -9], 0.5, (100, 3))) == UNKNOWN).all()
    right = [(model.classify(x) == k).mean() for k, x in enumerate(gaussians(rng).values())]
    assert np.mean(right) > 0.93


def test_too_few_members_raise():
    with pytest.raises(AnalysisError, match="class 'a' has 5 members"):
        fit_gaussians({"a": np.zeros((5, 3))})
    with pytest.raises(AnalysisError, match="rejected_share"):
        fit_gaussians({"a": np.zeros((18, 3))}, rejected_share=1.0)


def test_few_members_have_a_limit_near_that_of_many():
    """Within a half of the quantile of chi squared, 21.7 for nine descriptors."""
    rng = np.random.default_rng(6)
    few, many = (fit_gaussians({"a": rng.normal(size=(n, 9))}).largest_distance2[0] for n in (60, 5000))
    assert many == pytest.approx(21.7, abs=0.3)
    assert many < few < 1.5 * many


def rattled(phase, repeat, seed, n_frames=4):
    atoms = load_phase(phase) * repeat
    moves = np.random.default_rng(seed).normal(0, 0.1, (n_frames, len(atoms), 3))
    return ArrayFrames(atoms.numbers, np.arange(float(n_frames)), atoms.positions + moves, atoms.cell[:])


@pytest.fixture(scope="module")
def model():
    return fit_phase_model(
        {
            "Li2S": [ThermalReference(rattled("Li2S", (2, 2, 2), seed)) for seed in (1, 3)],
            "Li3P": [ThermalReference(rattled("Li3P", (3, 3, 2), seed)) for seed in (2, 4)],
        },
        **FIT_ARGUMENTS,
    )


def shares(atoms_or_frames, model):
    run = atoms_or_frames
    codes = label_atoms(run.positions(0), run.cell(0), run.numbers, model)
    return {model.labels[c]: float((codes == c).mean()) for c in np.unique(codes)}


def test_labels_of_crystals_electrolytes_chains_and_metal(model):
    assert model.hosts == {"Li2S": {"S"}, "Li3P": {"P"}}
    assert shares(rattled("Li2S", (2, 2, 2), 7), model)["Li2S"] > 0.95
    assert shares(rattled("Li3P", (3, 3, 2), 8), model)["Li3P"] > 0.95
    for phase in ("Li7P3S11", "Li3PS4", "Li2PS3", "LiPS3"):
        assert shares(rattled(phase, (1, 1, 1), 9), model) == {"electrolyte": 1.0}
    assert shares(rattled("LiP", (1, 1, 1), 9), model) == {"chains": 1.0}
    assert shares(rattled("Li", (3, 3, 3), 9), model) == {"metal": 1.0}


@pytest.mark.parametrize("strain", [(0, 0, -0.02), (0, 0, 0.02), (0, 0, -0.01), (0.01, 0.01, 0.01)])
@pytest.mark.parametrize("seed", range(2))
def test_labels_of_a_strained_crystal_are_unchanged(strain, seed, model):
    """Frames at rest and strained, as in a run at constant pressure; a few atoms become unknown, beyond 1 % more."""
    least = 0.98 if np.abs(strain).max() <= 0.01 else 0.9
    for phase, repeat in (("Li2S", (2, 2, 2)), ("Li3P", (3, 3, 2)), ("Li7P3S11", (1, 1, 1)), ("LiP", (1, 1, 1))):
        run = rattled(phase, repeat, 20 + seed)
        strained = in_changing_cell(run, np.outer([0, 0, 1, 1], strain))
        before, now = (
            np.array([label_atoms(r.positions(frame), r.cell(frame), r.numbers, model) for frame in range(4)])
            for r in (run, strained)
        )
        same = now == before
        assert same[:2].all()
        assert same[2:].mean() > least, phase
        assert {model.labels[code] for code in now[~same]} <= {"unknown"}, phase


def test_phosphorus_on_the_sulfur_sublattice_is_dissolved(model):
    run = rattled("Li2S", (2, 2, 2), 11)
    numbers = run.numbers.copy()
    site = int(np.flatnonzero(numbers == 16)[0])
    numbers[site] = 15
    codes = label_atoms(run.positions(0), run.cell(0), numbers, model)
    assert model.labels[codes[site]] == "P dissolved in Li2S"


def test_elements_without_a_role_are_unknown(model):
    run = rattled("Li2S", (2, 2, 2), 12)
    numbers = run.numbers.copy()
    numbers[0] = 8
    codes = label_atoms(run.positions(0), run.cell(0), numbers, model)
    assert model.labels[codes[0]] == "unknown"


def test_reference_of_bonded_anions_raises():
    with pytest.raises(AnalysisError, match="recognised by their bonds"):
        fit_phase_model({"Li3PS4": [ThermalReference(rattled("Li3PS4", (1, 1, 1), 1))]}, **FIT_ARGUMENTS)


def test_crystals_without_two_neighbours_each_are_removed():
    """Of three anions in a row, the middle one has two neighbours only until the others are removed."""
    neighbour = np.tile(np.arange(8, 20), (20, 1))
    neighbour[0, :2], neighbour[1, 0], neighbour[2, 0] = (1, 2), 0, 0
    near = Nearest(np.full((20, 12), 4.0), neighbour, np.zeros((20, 12, 3)))
    kinds = np.where(np.arange(20) < 3, 0, UNKNOWN)
    assert (with_surfaces(kinds, [0], near, np.arange(20)) == UNKNOWN).all()
