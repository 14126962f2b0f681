"""Kinetic trapping in a trajectory: phosphorus that pairs and parts at a known rate, and diffuses at another."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.passivation.trapping_by_interface import _labelled, analyse_trapping
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.element_roles import measured_chemistry, roles_of

QUESTION = InterfaceAnalysisSettings(
    composition_of("Li"), composition_of("Li7P3S11"), 600.0, parts=("trapping",)
)
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
    return analyse_trapping(ProgressFrames(frames), QUESTION, [above])


@pytest.fixture(scope="module")
def short_lived():
    return answered(pairing(80.0)).sides["above"]["Pn"]


def test_lifetimes_are_those_of_the_planted_bonds(short_lived):
    """Bonds end at random, 80 ps on average; those of six ps and less do not count, nor do such interruptions."""
    horizon = short_lived.horizon_ps
    observed = short_lived.observed_ps
    assert observed.value == pytest.approx(80.0 * (1 - np.exp(-horizon / 80.0)), rel=0.2)
    assert short_lived.n_stretches > 150
    survival = short_lived.survival
    assert survival.surviving_share[0] == 1.0
    assert (np.diff(survival.surviving_share) <= 0).all()


def test_atoms_of_a_pair_are_told_to_lose_their_bond_together():
    """128 atoms tell of 64 bonds, and intervals are wider than those of atoms by themselves."""
    frames = ProgressFrames(pairing(80.0))
    centres = np.flatnonzero(frames.numbers == 15)
    chemistry = measured_chemistry(frames, roles_of(QUESTION.electrode, QUESTION.electrolyte), every=40)
    _, _, counter = _labelled(frames, chemistry, centres)
    assert counter.atoms_together("Pn") == pytest.approx(2.0, abs=0.1)
    # as each of a pair becomes an isolated atom of its own, they part from each other, too
    assert 1.0 <= counter.atoms_together("isolated P") < 1.2


def test_the_escape_is_that_of_the_planted_diffusion(short_lived):
    """Two atoms of a pair move as one, so the collective coefficient is twice that of its atoms."""
    onsager = short_lived.onsager_per_eV_angstrom_ps
    k_t = 8.617333e-5 * 600.0
    density = 128 / (64.0 * 64.0 * (END - BEGIN))
    planted = 2 * D_P * density / k_t
    assert onsager.lower < planted < onsager.upper
    assert short_lived.width_angstrom == pytest.approx(END - BEGIN)


def test_bonds_that_end_sooner_than_atoms_leave_are_not_trapped(short_lived):
    assert short_lived.state == "not_trapped"
    assert short_lived.ratio.upper < 1


def test_bonds_that_outlive_diffusion_are_trapped():
    """Pairs that part after 2,000 ps, in a layer that they would leave in about 100 ps."""
    found = answered(pairing(2000.0, diffusion=0.4, seed=1)).sides["above"]["Pn"]
    assert found.state == "trapped"
    assert found.ratio.lower > 1


def test_bonds_that_are_too_short_to_be_seen_are_not_called_trapped():
    """Pairs that part after 1.25 ps, told every 2 ps, in a layer that they leave in 12 ps: those seen seem to last 20."""
    sides = answered(pairing(1.25, diffusion=4.0, apart_ps=1.25)).sides["above"]
    assert "is expected to leave by diffusion" in sides["Pn"].reason
    assert "is expected to leave by diffusion" in sides["isolated P"].reason


def test_what_is_not_there_is_refused_in_words():
    frames = pairing(1e9)
    still = ArrayFrames(
        frames.numbers, frames.time_fs, np.repeat(frames.all_positions[:1], 800, axis=0), frames.cells
    )
    sides = answered(still).sides["above"]
    assert "no label begins after the first frame" in sides["isolated P"].reason
