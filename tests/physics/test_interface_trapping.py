"""Kinetic trapping in a trajectory of phosphorus pairs with known lifetimes and diffusion."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.passivation.trapping_by_interface import _labelled, analyse_trapping
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.element_roles import measured_chemistry, roles_of

SETTINGS = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 600.0, parts=("trapping",))
BEGIN, END = 20.0, 44.0
PERIOD = np.array([64.0, 64.0, 90.0])
D_P = 0.01  # of a pair along the normal, Å²/ps
N_FRAMES = 800


def pairing(mean_ps: float, *, seed: int = 0, diffusion: float = D_P, apart_ps: float = 60.0) -> ArrayFrames:
    """64 pairs of P in a layer, apart and then bonded for the given means; S and Li around them."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*[np.arange(4.0, 64.0, 8.0)] * 2, [32.0], indexing="ij"), -1).reshape(-1, 3)
    n = len(places)
    state = np.zeros((N_FRAMES, n), dtype=bool)
    now = np.zeros(n, dtype=bool)
    for frame in range(N_FRAMES):
        leaves = rng.random(n) < np.where(now, 1.0 / mean_ps, 1.0 / apart_ps)
        now = now ^ leaves
        state[frame] = now
    walk = rng.normal(size=(N_FRAMES, n, 3)) * np.sqrt(2 * diffusion)
    walk[:, :, :2] *= 0.02
    centre = places + np.cumsum(walk, axis=0)
    half = np.where(state, 1.1, 1.9)[:, :, None] * np.array([1.0, 0.0, 0.0])
    ligands = places + np.array([4.0, 4.0, 0.0])
    mobile = rng.random((150, 3)) * PERIOD
    still = rng.normal(0, 0.02, (N_FRAMES, n, 3)) + ligands
    li = mobile + np.cumsum(rng.normal(0, 0.3, (N_FRAMES, 150, 3)), axis=0)
    positions = np.concatenate([li, centre + half, centre - half, still], axis=1)
    numbers = np.repeat([3, 15, 15, 16], [150, n, n, n])
    return ArrayFrames(numbers, 1000.0 * np.arange(N_FRAMES), positions, np.diag(PERIOD))


def answered(frames):
    n = frames.n_frames
    above = Interface(
        "above", 0, np.ones(n, dtype=bool), np.arange(float(n)), np.full(n, END - BEGIN), np.full(n, BEGIN),
        np.full(n, END), {"electrode": np.full(n, 20.0), "electrolyte": np.full(n, 30.0)},
    )  # fmt: skip
    return analyse_trapping(ProgressFrames(frames), SETTINGS, [above])


@pytest.fixture(scope="module")
def short_lived():
    return answered(pairing(80.0)).sides["above"]["Pn"]


def test_lifetimes_agree_with_the_known_bonds(short_lived):
    """Mean lifetime 80 ps; bonds and interruptions of at most 6 ps do not count."""
    horizon = short_lived.horizon_ps
    observed = short_lived.observed_ps
    assert observed.value == pytest.approx(80.0 * (1 - np.exp(-horizon / 80.0)), rel=0.2)
    assert short_lived.n_stretches > 150
    survival = short_lived.survival
    assert survival.surviving_fraction.value[0] == 1.0
    assert (np.diff(survival.surviving_fraction.value) <= 0).all()


def test_atoms_of_a_pair_count_as_one_event():
    """128 atoms have 64 independent bonds, which widens intervals."""
    frames = ProgressFrames(pairing(80.0))
    centres = np.flatnonzero(frames.numbers == 15)
    chemistry = measured_chemistry(frames, roles_of(SETTINGS.electrode, SETTINGS.electrolyte), every=40)
    _, _, counter = _labelled(frames, chemistry, centres)
    assert counter.atoms_together("Pn") == pytest.approx(2.0, abs=0.1)
    # the atoms of a broken pair are separate anions
    assert 1.0 <= counter.atoms_together("isolated P") < 1.2


def test_escape_agrees_with_the_known_diffusion(short_lived):
    """Two atoms of a pair move as one, so the collective coefficient is twice that of its atoms."""
    onsager = short_lived.onsager_per_eV_angstrom_ps
    k_t = 8.617333e-5 * 600.0
    density = 128 / (64.0 * 64.0 * (END - BEGIN))
    planted = 2 * D_P * density / k_t
    assert onsager.lower < planted < onsager.upper
    assert short_lived.width_angstrom == pytest.approx(END - BEGIN)


def test_short_lived_bonds_are_not_trapped(short_lived):
    assert short_lived.state == "not_trapped"
    assert short_lived.ratio.upper < 1


def test_bonds_that_outlive_diffusion_are_trapped():
    """Pairs of 2,000 ps in a layer with an escape time of about 100 ps."""
    found = answered(pairing(2000.0, diffusion=0.4, seed=1)).sides["above"]["Pn"]
    assert found.state == "trapped"
    assert found.ratio.lower > 1


def test_bonds_shorter_than_the_resolution_are_unavailable():
    """Pairs of 1.25 ps, labelled every 2 ps, in a layer with an escape time of 12 ps."""
    sides = answered(pairing(1.25, diffusion=4.0, apart_ps=1.25)).sides["above"]
    assert "is expected to leave by diffusion" in sides["Pn"].reason
    assert "is expected to leave by diffusion" in sides["isolated P"].reason


def test_labels_without_a_beginning_are_unavailable():
    frames = pairing(1e9)
    still = ArrayFrames(frames.numbers, frames.time_fs, np.repeat(frames.all_positions[:1], 800, axis=0), frames.cells)
    sides = answered(still).sides["above"]
    assert "no label begins after the first frame" in sides["isolated P"].reason
