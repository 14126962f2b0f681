"""Fluxes and lifetimes of random walkers."""

from dataclasses import replace

import numpy as np
import pytest

from brownian import TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.plane_flux import crossings
from interphase_flows.analysis.passivation.trapping import ExpectedEscape, kinetic_trapping
from interphase_flows.analysis.speciation.reaction_graph import debounced
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.survival import Lifetimes, lifetimes, restricted_mean_ps, survival
from interphase_flows.analysis.statistics.window_rate import window_rate
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.driven_flux import gradient_flux, ideal_gradient_eV_per_angstrom
from interphase_flows.units import KB_EV_PER_K

TEMPERATURE_K = 300.0


def test_flux_of_walkers_on_a_gradient_agrees_with_ficks_law():
    """Counted crossings, Fick's law and J = -L grad(mu) of an ideal solution agree."""
    rng = np.random.default_rng(1)
    period, diffusion, n_atoms, side = 20.0, 0.5, 20_000, 60.0  # Å, Å²/ps
    middle, half = 5.0, 0.9
    # c(z) = c0 (1 + a sin(2 pi z / period)) by rejection, at its steepest at z = 0 and half the period
    z = rng.random(4 * n_atoms) * period
    z = z[rng.random(4 * n_atoms) * 1.9 < 1 + half * np.sin(2 * np.pi * z / period)][:n_atoms]
    steps = rng.normal(0.0, np.sqrt(2 * diffusion * 0.2), (26, n_atoms))
    steps[0] = 0.0
    positions = np.zeros((26, n_atoms, 3))
    positions[:, :, 2] = z + np.cumsum(steps, axis=0)
    frames = ArrayFrames(np.full(n_atoms, 3), 200.0 * np.arange(26), positions, np.diag([side, side, period]))
    found = crossings(frames, {"steepest": period / 2})
    measured = found.mean_flux_atoms_per_nm2_ps("steepest")["Li"]

    decay = np.exp(-diffusion * (2 * np.pi / period) ** 2 * 5.0)  # the gradient fades in 5 ps
    fading = (1 - decay) / (-np.log(decay))
    density = n_atoms / (side**2 * period)
    fick = 100 * diffusion * density * half * 2 * np.pi / period * fading
    # net crossings of independent walkers scatter as the root of those that cross
    scatter = np.sqrt(density * side**2 * np.sqrt(4 * diffusion * 5.0 / np.pi)) / (side**2 / 100) / 5.0
    assert measured == pytest.approx(fick, abs=4 * scatter)
    assert fick > 8 * scatter

    height = np.linspace(period / 2 - middle, period / 2 + middle, 41)
    profile = density * (1 + half * np.sin(2 * np.pi * height / period))
    solvent = 3 * density - profile
    gradient = ideal_gradient_eV_per_angstrom(height, np.stack([profile, solvent]), TEMPERATURE_K)
    onsager = np.zeros((41, 2, 2))
    onsager[:, 0, 0] = profile * diffusion / (KB_EV_PER_K * TEMPERATURE_K)
    driven = gradient_flux(gradient, onsager, onsager[None])
    assert driven.value[0, 20] * fading == pytest.approx(fick, rel=0.01)


@pytest.mark.parametrize("shares", [(-0.02, 0.005, 0.015), (0.0, 0.01, -0.01)])
def test_coverage_of_intervals_of_driven_fluxes(shares):
    """Errors of L_ij are correlated in the barycentric frame; 90 % or more of 60 replicas, for each species."""
    known = Brownian()
    k_t = KB_EV_PER_K * 600.0
    gradient = k_t * np.array(shares) / (known.counts / known.counts.sum())
    truth = -100 * known.rate() @ gradient / (k_t * abs(np.linalg.det(TRICLINIC)))
    covered = []
    for seed in range(60):
        found = onsager_matrix(known.frames(np.random.default_rng(seed), 300), temperature_K=600.0, step_ps=1.0)
        driven = gradient_flux(gradient[:, None], found.onsager.value, found.drawn(500))
        lower, upper = driven.lower[:, 0], driven.upper[:, 0]
        covered.append((lower <= truth) & (truth <= upper))
    assert (np.mean(covered, axis=0) >= 0.90).all()


def walkers_in_a_layer(diffusion, seed, *, width=8.0, n_atoms=150, n_frames=600, step_ps=0.5):
    """Return times and which atoms are in the layer; atoms enter at random times and places."""
    rng = np.random.default_rng(seed)
    fine = 10
    steps = rng.normal(0.0, np.sqrt(2 * diffusion * step_ps / fine), (n_frames * fine, n_atoms))
    enters = rng.integers(1, n_frames // 2, n_atoms)
    steps[np.arange(n_frames * fine)[:, None] <= enters * fine] = 0.0
    path = rng.random(n_atoms) * width + np.cumsum(steps, axis=0)
    left = np.logical_or.accumulate((path < 0) | (path > width), axis=0)[::fine]
    inside = ~left & (np.arange(n_frames)[:, None] >= enters)
    return step_ps * np.arange(n_frames), inside


def expectation(diffusion, *, relative_error=0.1, width=8.0):
    density = 0.02
    value = diffusion * density / (KB_EV_PER_K * TEMPERATURE_K)
    onsager = Estimate(value, value * (1 - relative_error), value * (1 + relative_error))
    return ExpectedEscape(onsager, density, width, TEMPERATURE_K)


def test_survival_of_walkers_in_a_layer_agrees_with_the_exact_solution():
    """Kaplan-Meier of free walkers against the exact solution; its plain mean is w² / 12 D."""
    time, inside = walkers_in_a_layer(0.3, seed=2, n_atoms=1500)
    curve = survival(lifetimes(time, inside))
    expected = expectation(0.3).surviving_fraction(curve.age_ps)
    np.testing.assert_allclose(curve.surviving_fraction.value[1:], expected[1:], atol=0.05)
    long = expectation(0.3).restricted_mean_ps(1e6, np.array([0.3]))[0]
    assert long == pytest.approx(8.0**2 / 12 / 0.3, rel=1e-4)
    assert restricted_mean_ps(curve, 100.0) == pytest.approx(
        expectation(0.3).restricted_mean_ps(100.0, np.array([0.3]))[0], rel=0.08
    )


def test_only_slowed_walkers_are_trapped():
    states = []
    for seed in range(20):
        time, inside = walkers_in_a_layer(0.3, seed=10 + seed)
        lives = lifetimes(time, inside)
        states.append(kinetic_trapping(lives, expectation(0.3), n_resamples=100).state)
    assert states.count("trapped") <= 2
    time, inside = walkers_in_a_layer(0.1, seed=40)
    slowed = kinetic_trapping(lifetimes(time, inside), expectation(0.3), n_resamples=200)
    assert slowed.state == "trapped"
    assert slowed.ratio.lower > 1.5
    time, inside = walkers_in_a_layer(0.9, seed=41)
    assert kinetic_trapping(lifetimes(time, inside), expectation(0.3)).state == "not_trapped"


def test_minimum_age_of_labels_is_no_trapping():
    """Without the shortest lifetimes the mean is an eighth longer."""
    plain, aware = [], []
    for seed in range(8):
        time, inside = walkers_in_a_layer(0.3, seed=70 + seed)
        lives = lifetimes(time, debounced(inside.astype(int), 3) == 1)
        free = expectation(0.3)
        plain.append(kinetic_trapping(lives, free, n_resamples=20).ratio.value)
        settled = replace(free, least_age_ps=3 * (time[1] - time[0]))
        aware.append(kinetic_trapping(lives, settled, n_resamples=20).ratio.value)
    print(f"observed over expected: {np.mean(plain):.3f}, held to those that stay: {np.mean(aware):.3f}")
    assert np.mean(plain) > 1.06
    assert np.mean(aware) == pytest.approx(1.0, abs=0.05)
    share = settled.surviving_fraction(np.array([0.0, 1.5, 3.0]))
    assert share[:2] == pytest.approx([1.0, 1.0])
    assert share[2] < 1.0


def test_trajectory_shorter_than_the_escape_is_undecided():
    time, inside = walkers_in_a_layer(0.3, seed=42)
    found = kinetic_trapping(lifetimes(time[:60], inside[:60]), expectation(0.0005), n_resamples=50)
    assert found.state == "undecided"
    assert "are expected to leave by diffusion" in found.reason


def test_uncertain_coefficient_widens_the_ratio():
    time, inside = walkers_in_a_layer(0.2, seed=43)
    lives = lifetimes(time, inside)
    sure = kinetic_trapping(lives, expectation(0.3, relative_error=0.05)).ratio
    unsure = kinetic_trapping(lives, expectation(0.3, relative_error=0.8)).ratio
    assert unsure.upper - unsure.lower > 2 * (sure.upper - sure.lower)


def test_coverage_of_intervals_of_lifetimes_of_chains():
    """40 chains of four atoms, exponential lifetimes of 10 ps, of which 30 ps are watched."""
    rng, n_draws, inside = np.random.default_rng(8), 50, {1.0: 0, 4.0: 0}
    for _ in range(n_draws):
        lasts = np.repeat(rng.exponential(10.0, 40), 4)
        lives = Lifetimes(np.minimum(lasts, 30.0), lasts < 30.0, np.arange(160), 0)
        for together in inside:
            found = kinetic_trapping(lives, expectation(0.3), atoms_together=together, n_resamples=60)
            planted = 10.0 * (1 - np.exp(-found.horizon_ps / 10.0))
            inside[together] += found.observed_ps.lower <= planted <= found.observed_ps.upper
    assert inside[1.0] < 0.85 * n_draws
    assert inside[4.0] >= 0.90 * n_draws


def test_coverage_of_the_interval_of_a_window_flux():
    """Crossings accumulate like a random walk."""
    rng = np.random.default_rng(3)
    time = np.linspace(0.0, 500.0, 500)
    hits = 0
    for _ in range(100):
        up, down = rng.poisson(0.5, 500), rng.poisson(0.3, 500)
        interval = window_rate(time, np.cumsum(up - down) / 4.0).interval()
        hits += interval.lower <= 0.2 / 4.0 / (time[1] - time[0]) <= interval.upper
    assert hits >= 88
