"""Intervals of Onsager coefficients cover as often as they say."""

import numpy as np
import pytest

from brownian import MASSES_U, TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import ionic_conduction, onsager_matrix
from interphase_flows.analysis.transport.momentum_constraint import without_barycentre

UPPER = np.triu_indices(3)


def covers(estimate, truth, factor=1.0):
    return (estimate.lower * factor <= truth) & (truth <= estimate.upper * factor)


@pytest.mark.parametrize(
    ("vibration_angstrom", "memory_ps", "n_frames"),
    [(0.0, 0.0, 250), (1.0, 0.0, 500), (0.4, 1.5, 1000)],
    ids=["no vibration", "uncorrelated", "correlated"],
)
def test_intervals_cover_as_often_as_they_say(vibration_angstrom, memory_ps, n_frames):
    """95 % intervals of L_ij, of what is beyond the frame, of sigma, t_i, Haven ratio and D*, over 200 replicas.

    Each at least 90 %, all together at most 98 %. The step is chosen anew from each replica. The standard error of
    one coverage is 1.5 %.
    """
    known = Brownian(vibration_angstrom=vibration_angstrom, memory_ps=memory_ps)
    matrix, rate, own = known.frame(), known.rate(), known.self_rate()
    alone, _ = without_barycentre(own, np.zeros(3), known.counts, MASSES_U)
    beyond = rate - matrix @ np.diag(known.counts * alone) @ matrix.T
    z = np.array([1.0, 5.0, -2.0])
    transference = z * (rate @ z) / (z @ rate @ z)
    haven = (z**2 * known.counts) @ own / (z @ rate @ z)
    covered = {"L": [], "beyond": [], "D*": [], "sigma": [], "t": [], "Haven": []}
    for seed in range(200):
        result = onsager_matrix(known.frames(np.random.default_rng(seed), n_frames), temperature_K=600)
        conduction = ionic_conduction(result, {"Li": 1, "P": 5, "S": -2})
        kTV = result.kT_volume_eV_angstrom3
        covered["L"].append(covers(result.onsager, rate, kTV)[UPPER])
        covered["beyond"].append(covers(result.beyond_frame, beyond, kTV)[UPPER])
        covered["D*"].append(covers(result.self_diffusion_angstrom2_per_ps, own))
        covered["sigma"].append([covers(conduction.conductivity_S_per_m, z @ rate @ z * 1602.176634 / kTV)])
        covered["Haven"].append([covers(conduction.haven_ratio, haven)])
        numbers = conduction.transference.values()
        covered["t"].append([covers(each, true) for each, true in zip(numbers, transference, strict=True)])
    for name, each in covered.items():
        coverage = np.mean(each, axis=0)
        assert (coverage >= 0.90).all(), (name, coverage)
    assert np.mean([np.mean(each) for each in covered.values()]) <= 0.98


def test_independent_atoms_of_a_small_cell_have_no_correlation_beyond_the_frame():
    """45 atoms, whose framework moves by recoil alone: the mean over 60 runs is zero within its error, which is small."""
    known = Brownian((31, 3, 11), (0.3, 0.001, 0.001), np.zeros((3, 3)))
    runs = [onsager_matrix(known.frames(np.random.default_rng(seed), 300), temperature_K=600) for seed in range(60)]
    for name, truth in (
        ("beyond_frame", np.zeros((3, 3))),
        ("constraint_free", known.counts * known.diffusion),
    ):
        found = np.array([getattr(run, name).value * run.kT_volume_eV_angstrom3 for run in runs])
        error = found.std(axis=0, ddof=1) / np.sqrt(len(runs))
        assert (np.abs(found.mean(axis=0) - truth) < 3.5 * error).all(), name
        if name == "beyond_frame":
            assert (np.diag(error) < 0.03 * np.diag(known.rate())).all()


def test_rare_jumps_have_wider_intervals_that_cover():
    """Ten atoms, each jumps 3 Å about every 400 frames, in a host at rest: far from Gaussian steps."""
    n_frames, n, rate = 600, 10, 1 / 400.0
    covered, wider = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        directions = rng.normal(size=(n_frames, n, 3))
        directions *= 3.0 / np.linalg.norm(directions, axis=2, keepdims=True)
        jumps = directions * (rng.random((n_frames, n, 1)) < rate)
        start = rng.random((n + 30, 3)) @ TRICLINIC
        positions = np.repeat(start[None], n_frames, axis=0)
        positions[:, :n] += np.cumsum(jumps, axis=0)
        numbers = np.repeat([3, 16], [n, 30])
        frames = ArrayFrames(numbers, 1000.0 * np.arange(n_frames), positions, TRICLINIC)
        result = onsager_matrix(frames, temperature_K=600, frame="hittorf", at_rest=["S"], step_ps=8.0)
        covered.append(covers(result.onsager, n * rate * 9.0 / 6.0, result.kT_volume_eV_angstrom3)[0, 0])
        value = result.onsager.value[0, 0]
        gaussian = value * np.sqrt(4.9 / (3 * result.n_steps))
        wider.append(result.onsager.standard_error[0, 0] / gaussian)
    assert 0.90 <= np.mean(covered) <= 0.98
    assert np.mean(wider) > 1.1
