"""Intervals of Arrhenius lines and of the composition grid cover as often as they say."""

import numpy as np
import pytest

from brownian import Brownian
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.composition_grid.arrhenius import MeasuredAt, arrhenius_fit
from interphase_flows.analysis.transport.composition_grid.arrhenius_matrix import arrhenius_matrix, element
from interphase_flows.analysis.transport.composition_grid.interpolation import composition_grid
from interphase_flows.units import KB_EV_PER_K
from onsager_draws import ENERGIES_EV, covers, drawn, true_matrix

N_REPLICAS = 250


@pytest.mark.parametrize(
    ("temperatures_K", "n_independent", "n_cells", "correlation"),
    [
        ((600.0, 800.0, 1000.0), 150, 1, 0.5),
        ((600.0, 800.0, 1000.0), 40, 1, -0.8),
        ((500.0, 600.0, 750.0, 1000.0), 40, 3, 0.0),
    ],
    ids=["long runs", "short and correlated", "several cells"],
)
def test_intervals_of_energies_and_coefficients_cover(temperatures_K, n_independent, n_cells, correlation):
    """95 % intervals of E and L_ii at, between and beyond the temperatures cover in 90 to 98 % each.

    Those of L_ij are slightly too wide (its error is used for that of the correlation): 90 % or more.
    """
    tested = (0.5 * temperatures_K[0], 0.9 * temperatures_K[1])
    energies, diagonal, crossed = [], [], []
    for seed in range(N_REPLICAS):
        random = np.random.default_rng(seed)
        points = [
            MeasuredAt(t, drawn(random, true_matrix(t, correlation), n_independent))
            for t in temperatures_K
            for _ in range(n_cells)
        ]
        fit = arrhenius_matrix(("Li", "P"), points)
        energies.append([covers(f.activation_energy_eV, e) for f, e in zip(fit.diagonal, ENERGIES_EV, strict=True)])
        found = np.array([covers(fit.at(t), true_matrix(t, correlation)) for t in tested])
        diagonal.append(found[:, [0, 1], [0, 1]].ravel())
        crossed.append(found[:, 0, 1])
    for each in (energies, diagonal):
        coverage = np.mean(each, axis=0)
        assert (coverage >= 0.90).all(), coverage
        assert np.mean(coverage) <= 0.98, coverage
    assert (np.mean(crossed, axis=0) >= 0.90).all()


@pytest.mark.parametrize("n_compositions", [2, 3, 6])
@pytest.mark.parametrize("roughness", [0.1, 4.0])
def test_coefficients_between_compositions_are_covered(n_compositions, roughness):
    """Curves that are random walks in x, as the method assumes, smooth ones and rough ones."""
    known = np.linspace(0.0, 0.9, n_compositions)
    covered = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        tested = random.uniform(0.0, 0.9, 2)
        x = np.concatenate([known, tested])
        order = np.argsort(x)
        walk = np.zeros((len(x), 2))
        steps = random.standard_normal((len(x) - 1, 2)) * np.sqrt(roughness * np.diff(x[order]))[:, None]
        walk[order[1:]] = np.cumsum(steps, axis=0)
        grid = composition_grid(
            {
                each: arrhenius_matrix(
                    ("Li", "P"),
                    [
                        MeasuredAt(t, drawn(random, true_matrix(t, 0.3, tuple(walk[k])), 100))
                        for t in (600.0, 800.0, 1000.0)
                    ],
                )
                for k, each in enumerate(known)
            }
        )
        for k, each in enumerate(tested, start=n_compositions):
            truth = true_matrix(700.0, 0.3, tuple(walk[k]))
            covered.append(np.diag(covers(grid.at(each, 700.0), truth)))
    assert 0.90 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize(
    ("n_cells", "spread_of_energies_eV"),
    [(3, 0.0), (5, 0.05)],
    ids=["of one energy", "of different energies"],
)
def test_intervals_of_cells_that_differ_cover(n_cells, spread_of_energies_eV):
    """Each cell has its own offset at all temperatures, 30 %: twice the error of a run.

    95 % intervals of E and of L_ii between and beyond the temperatures cover 90 % or more.
    """
    temperatures_K, tested_K, covered = (600.0, 700.0, 800.0, 1000.0), (300.0, 750.0, 1000.0), []
    for seed in range(N_REPLICAS):
        random = np.random.default_rng(seed)
        points = []
        for cell in range(n_cells):
            offset, energy = (
                0.3 * random.standard_normal(2),
                spread_of_energies_eV * random.standard_normal(2),
            )
            for t in temperatures_K:
                inverse = 1 / (KB_EV_PER_K * t) - 1 / (KB_EV_PER_K * 1000.0)
                truth = true_matrix(t, 0.3, tuple(offset - energy * inverse))
                points.append(MeasuredAt(t, drawn(random, truth, 90), cell=str(cell)))
        fits = [arrhenius_fit([element(point, i) for point in points]) for i in range(2)]
        covered.append(
            [
                *(covers(f.activation_energy_eV, e) for f, e in zip(fits, ENERGIES_EV, strict=True)),
                *(covers(f.at(t), true_matrix(t, 0.3, (0.0, 0.0))[i, i]) for i, f in enumerate(fits) for t in tested_K),
            ]
        )
    assert (np.mean(covered, axis=0) >= 0.90).all(), np.mean(covered, axis=0)


def test_coefficients_between_compositions_of_differing_cells_are_covered():
    """Three cells of each composition, which differ by 30 %, on a random walk in x: 90 % or more."""
    known, covered = np.linspace(0.0, 0.9, 4), []
    for seed in range(60):
        random = np.random.default_rng(seed)
        x = np.sort([*known, tested := random.uniform(0.0, 0.9)])
        steps = random.standard_normal((len(x) - 1, 2)) * np.sqrt(np.diff(x))[:, None]
        walk = dict(zip(x, np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]), strict=True))
        points = {each: [] for each in known}
        for each in known:
            for cell in range(3):
                offset = walk[each] + 0.3 * random.standard_normal(2)
                for t in (600.0, 800.0, 1000.0):
                    found = drawn(random, true_matrix(t, 0.3, tuple(offset)), 90)
                    points[each].append(MeasuredAt(t, found, cell=str(cell)))
        grid = composition_grid({each: arrhenius_matrix(("Li", "P"), points[each]) for each in known})
        covered.append(np.diag(covers(grid.at(tested, 700.0), true_matrix(700.0, 0.3, tuple(walk[tested])))))
    assert np.mean(covered) >= 0.90


def test_energies_from_trajectories_are_covered():
    """From end to end: trajectories whose diffusion obeys Arrhenius' law, vibrating, measured relative to sulfur.

    50 replicas of three temperatures and two species: 95 % intervals of E cover 90 % or more of the 100.
    """
    energies, temperatures_K, at_1000_K = np.array([0.2, 0.3]), (700.0, 850.0, 1000.0), np.array([0.3, 0.1])
    covered = []
    for seed in range(50):
        random, points = np.random.default_rng(seed), []
        for temperature in temperatures_K:
            inverse = 1 / (KB_EV_PER_K * temperature) - 1 / (KB_EV_PER_K * 1000.0)
            own = at_1000_K * np.exp(-energies * inverse)
            known = Brownian((36, 8, 20), (*own, 0.0), np.zeros((3, 3)), vibration_angstrom=0.3)
            found = onsager_matrix(
                known.frames(random, 400),
                temperature_K=temperature,
                species=["Li", "P"],
                frame="hittorf",
                at_rest=["S"],
            )
            points.append(MeasuredAt(temperature, found.onsager))
        fits = arrhenius_matrix(("Li", "P"), points).diagonal
        covered.append([covers(f.activation_energy_eV, e) for f, e in zip(fits, energies, strict=True)])
    assert np.mean(covered) >= 0.90
