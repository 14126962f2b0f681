"""Collective displacements."""

import numpy as np
import pytest

from brownian import TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.analysis.transport.collective import GroupSums, collective_motion
from interphase_flows.analysis.transport.groups import by_species, normal_axes
from interphase_flows.exceptions import AnalysisError, UnsupportedWindowError

SINGLE_PRECISION_ERROR_ANGSTROM = 5e-3


def wrapped(frames: ArrayFrames) -> ArrayFrames:
    inside = np.array([(fractional(p, TRICLINIC) % 1.0) @ TRICLINIC for p in frames.all_positions])
    return ArrayFrames(frames.numbers, frames.time_fs, inside, TRICLINIC)


@pytest.mark.parametrize("shuffled", [False, True])
def test_sums_are_those_of_each_species_in_any_order_of_atoms(shuffled):
    """Runs of atoms, and atoms that are scattered, with a remainder that fills no block."""
    rng = np.random.default_rng(0)
    numbers = np.repeat([3, 15, 16, 3], [3333, 265, 1200, 1])
    if shuffled:
        rng.shuffle(numbers)
    positions = rng.normal(size=(4, len(numbers), 3))
    motion = collective_motion(frames := ArrayFrames(numbers, np.arange(4.0), positions, TRICLINIC), by_species(frames))
    expected = [[(p - positions[0])[numbers == z].sum(axis=0) for z in (3, 15, 16)] for p in positions]
    np.testing.assert_allclose(motion.displacement_angstrom, expected, atol=1e-11)


def test_single_precision_loses_nothing_that_matters():
    """50,000 atoms in a box of 100 Å: displacements are summed, since absolute positions lose 0.1 Å and more."""
    rng = np.random.default_rng(1)
    numbers = np.repeat([3, 15, 16], [25_000, 7_500, 17_500])
    start = (rng.random((len(numbers), 3)) * 100).astype(np.float32)
    later = start + rng.normal(0, 1.0, start.shape).astype(np.float32)
    frames = ArrayFrames(numbers, np.arange(2.0), np.stack([start, later]), np.eye(3) * 100)
    sums = GroupSums(by_species(frames), start, np.array([], dtype=int))
    sums.take(0, later[None])
    ours = sums.finish(1)[0][0]
    exact = later.astype(float) - start.astype(float)
    expected = [exact[numbers == z].sum(axis=0) for z in (3, 15, 16)]
    assert np.abs(ours - expected).max() < SINGLE_PRECISION_ERROR_ANGSTROM
    absolute = np.add.reduceat(later, [0, 25_000, 32_500], axis=0) - np.add.reduceat(start, [0, 25_000, 32_500], axis=0)
    assert np.abs(absolute - expected).max() > 10 * SINGLE_PRECISION_ERROR_ANGSTROM


class OneByOne:
    """Frames that are not in memory."""

    def __init__(self, frames: ArrayFrames) -> None:
        self._frames = frames

    def __getattr__(self, name):
        return getattr(self._frames, name)


def test_frames_read_one_by_one_are_summed_as_those_in_memory():
    frames = Brownian(counts=(25, 13, 14)).frames(np.random.default_rng(7), 300)
    in_memory, streamed = (
        collective_motion(source, by_species(frames), first_frame=3, end_frame=298)
        for source in (frames, OneByOne(frames))
    )
    np.testing.assert_allclose(streamed.displacement_angstrom, in_memory.displacement_angstrom, rtol=1e-12, atol=1e-9)
    for ours, theirs in zip(streamed.self_rungs, in_memory.self_rungs, strict=True):
        np.testing.assert_allclose(ours.squared_angstrom2, theirs.squared_angstrom2, rtol=1e-12)


def test_a_window_begins_with_its_own_first_frame():
    frames = Brownian().frames(np.random.default_rng(2), 12)
    part = collective_motion(frames, by_species(frames), first_frame=4, end_frame=10)
    np.testing.assert_allclose(part.time_ps, np.arange(4, 10))
    np.testing.assert_array_equal(part.displacement_angstrom[0], 0.0)
    expected = (frames.all_positions[9] - frames.all_positions[4])[frames.numbers == 3].sum(axis=0)
    np.testing.assert_allclose(part.displacement_angstrom[-1, 0], expected)


def test_axes_follow_the_interface_in_a_triclinic_cell():
    axes = normal_axes(TRICLINIC)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(TRICLINIC[:2] @ axes[2], 0.0, atol=1e-12)


def test_single_atoms_are_followed_over_every_step():
    """Moments of the ladder are those of block averages, taken anew from all positions."""
    n_frames = 200
    frames = Brownian(counts=(5, 3, 4)).frames(np.random.default_rng(3), n_frames)
    motion = collective_motion(frames, by_species(frames))
    masses = np.array([6.94, 30.973761998, 32.06])[np.searchsorted([3, 15, 16], frames.numbers)]
    moved = frames.all_positions - frames.all_positions[0]
    moved = moved - np.einsum("a,tax->tx", masses / masses.sum(), moved)[:, None]
    for exponent, rung in enumerate(motion.self_rungs):
        k = 2**exponent
        blocks = moved[: n_frames // k * k].reshape(n_frames // k, k, -1, 3).mean(axis=1)
        steps = np.diff(blocks, axis=0)
        for group, number in enumerate((3, 15, 16)):
            of_group = steps[:, frames.numbers == number]
            np.testing.assert_allclose(rung.squared_angstrom2[:, group], (of_group**2).mean(axis=1), rtol=1e-6)
            np.testing.assert_allclose(
                rung.lagged_angstrom2[:, group], (of_group[1:] * of_group[:-1]).mean(axis=1), atol=1e-7
            )
    assert 2 ** (len(motion.self_rungs) - 1) * 3 <= n_frames


def test_wrapped_positions_raise():
    frames = Brownian().frames(np.random.default_rng(4), 300)
    with pytest.raises(AnalysisError, match="wrapped into the cell"):
        collective_motion(wrapped(frames), by_species(frames))


def breathing(frames: ArrayFrames, strain: np.ndarray) -> ArrayFrames:
    """Scale positions and cells of every frame by 1 + strain."""
    scale = (1.0 + strain)[:, None, None]
    return ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions * scale, TRICLINIC * scale)


@pytest.mark.parametrize("source", [lambda frames: frames, OneByOne], ids=["in memory", "streamed"])
def test_displacements_of_a_breathing_cell_are_those_in_its_mean_cell(source):
    frames = Brownian().frames(np.random.default_rng(5), 300)
    strain = 0.01 * np.sin(np.arange(300.0))
    found = collective_motion(source(breathing(frames, strain)), by_species(frames), first_frame=2)
    expected = collective_motion(frames, by_species(frames), first_frame=2).displacement_angstrom
    mean = 1.0 + strain[2:].mean()
    np.testing.assert_allclose(found.displacement_angstrom, mean * expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.cell_angstrom, mean * TRICLINIC, rtol=1e-13)
    volume = abs(np.linalg.det(TRICLINIC)) * ((1.0 + strain[2:]) ** 3).mean()
    assert found.volume_angstrom3 == pytest.approx(volume, rel=1e-13)


def test_single_precision_loses_nothing_that_matters_in_a_breathing_cell():
    rng = np.random.default_rng(9)
    strain, numbers = 0.01 * np.sin(np.arange(40.0)), np.repeat([3, 16], [3000, 2000])
    start = rng.random((len(numbers), 3)) @ (5 * TRICLINIC)
    positions = (start + rng.normal(0, 0.3, (40, len(numbers), 3)).cumsum(axis=0)) * (1.0 + strain)[:, None, None]
    cells = 5 * TRICLINIC * (1.0 + strain)[:, None, None]
    in_single, in_double = (
        collective_motion(frames := ArrayFrames(numbers, np.arange(40.0), each, cells), by_species(frames))
        for each in (positions.astype(np.float32), positions)
    )
    error = in_single.displacement_angstrom - in_double.displacement_angstrom
    # the rounding of 3,000 single-precision coordinates near 100 Å
    assert np.abs(error).max() < SINGLE_PRECISION_ERROR_ANGSTROM


def test_a_cell_that_drifts_raises_with_the_drift():
    frames = Brownian().frames(np.random.default_rng(5), 50)
    cells = np.tile(TRICLINIC, (50, 1, 1))
    cells[:, 2] *= (1 - 0.1 * np.arange(50) / 49)[:, None]
    changing = ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions, cells)
    with pytest.raises(UnsupportedWindowError, match=r"drifts by -10\.5 % along z from 0 to 49 ps") as raised:
        collective_motion(changing, by_species(frames))
    assert "shorter windows" in str(raised.value)


def test_frames_with_a_gap_raise():
    frames = Brownian().frames(np.random.default_rng(6), 5)
    times = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    with pytest.raises(AnalysisError, match="equally spaced"):
        collective_motion(ArrayFrames(frames.numbers, times, frames.all_positions, TRICLINIC), by_species(frames))


def test_non_finite_positions_raise():
    frames = Brownian().frames(np.random.default_rng(7), 5)
    frames.all_positions[3, 0, 0] = np.nan
    with pytest.raises(AnalysisError, match="frame 3 has positions that are not finite"):
        collective_motion(frames, by_species(frames))


def test_two_frames_are_too_few():
    frames = Brownian().frames(np.random.default_rng(8), 2)
    with pytest.raises(AnalysisError, match="2 frames do not make two steps"):
        collective_motion(frames, by_species(frames))
