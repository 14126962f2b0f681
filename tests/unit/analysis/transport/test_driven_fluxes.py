"""Fluxes that gradients of composition would drive, through boundaries of a known profile."""

import numpy as np
import pytest

from breathing_cells import breathing_strain, in_changing_cell
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import BEGIN, END
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.driven_flux import SLAB_ANGSTROM, driven_by_gradients

N_FRAMES, PERIOD = 400, 30.0
TEMPERATURE_K = 600.0


def waves(*, shift: float = 0.0, drift: float = 0.0) -> ArrayFrames:
    """Lithium that is densest a quarter up, sulfur half a period from there; all shifted, and drifting per frame."""
    rng = np.random.default_rng(0)
    height = rng.random(4000) * PERIOD
    wave = np.sin(2 * np.pi * height / PERIOD)
    is_lithium = rng.random(4000) < 0.5 * (1 + 0.8 * wave)
    walk = rng.normal(0, 0.01, (N_FRAMES, 4000, 3)).cumsum(axis=0)
    walk[:, :, 2] += height + shift + drift * np.arange(N_FRAMES)[:, None]
    return ArrayFrames(np.where(is_lithium, 3, 16), 1000.0 * np.arange(N_FRAMES), walk, np.diag([20.0, 20.0, PERIOD]))


def answered(frames: ArrayFrames, onsager, shift: float = 0.0) -> dict[tuple[str, str], float]:
    """Boundaries where the wave falls, at half the period, and where it rises, at 30 Å, by the frame without drift."""

    def constant(x: float) -> np.ndarray:
        return np.full(N_FRAMES, x)

    above = Interface(
        "above", 0, np.ones(N_FRAMES, dtype=bool), np.arange(float(N_FRAMES)), constant(15.0),
        constant(15.0 + shift), constant(30.0 + shift), {},
    )  # fmt: skip
    rows = driven_by_gradients(frames, onsager, [above], TEMPERATURE_K)["above"]
    return {(row.species, row.boundary): row.driven_atoms_per_nm2_ps for row in rows}


@pytest.fixture(scope="module")
def onsager():
    return onsager_matrix(waves(), temperature_K=TEMPERATURE_K, directions="normal")


@pytest.fixture(scope="module")
def plain(onsager):
    return answered(waves(), onsager)


def test_fluxes_run_down_the_gradients(plain):
    """Lithium up where its fraction falls, and down where it rises, also where that is the border of the cell."""
    assert plain["Li", BEGIN].value > 0 > plain["S", BEGIN].value
    assert plain["Li", END].value < 0 < plain["S", END].value
    assert plain["Li", END].value == pytest.approx(-plain["Li", BEGIN].value, rel=0.3)


@pytest.mark.parametrize("slabs", [2, 5, 7])
def test_fluxes_are_periodic_across_the_cell_border(onsager, plain, slabs):
    """The same crystal some slabs higher: every slab has two neighbours."""
    shift = slabs * SLAB_ANGSTROM
    found = answered(waves(shift=shift), onsager, shift)
    for key, flux in found.items():
        assert flux.value == pytest.approx(plain[key].value, rel=1e-6)


def test_common_drift_does_not_smear_the_profile(onsager, plain):
    """One and a third periods over the trajectory; boundaries are given without drift."""
    found = answered(waves(drift=0.1), onsager)
    for key, flux in found.items():
        assert flux.value == pytest.approx(plain[key].value, rel=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_fluxes_in_a_changing_cell_are_those_in_its_mean_cell(onsager, plain, seed):
    """The cell breathes and shrinks by 8 % about its mean height; boundaries are given in Å of each frame."""
    strain = breathing_strain(np.random.default_rng(seed), N_FRAMES, "normal")
    strain[:, 2] -= 0.08 * np.linspace(-0.5, 0.5, N_FRAMES)
    stretch = 1.0 + strain[:, 2]
    above = Interface(
        "above", 0, np.ones(N_FRAMES, dtype=bool), np.arange(float(N_FRAMES)), 15.0 * stretch, 15.0 * stretch,
        30.0 * stretch, {},
    )  # fmt: skip
    rows = driven_by_gradients(in_changing_cell(waves(), strain), onsager, [above], TEMPERATURE_K)["above"]
    for row in rows:
        expected = plain[row.species, row.boundary].value
        assert row.driven_atoms_per_nm2_ps.value == pytest.approx(expected, rel=0.02)
