"""Known answers in cells that change: transport is that at constant volume, and scaling of the cell moves no atom."""

import numpy as np
import pytest

from breathing_cells import AXES, breathing_strain, in_changing_cell
from brownian import Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.plane_flux import crossings
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport import ionic_conduction, onsager_matrix
from interphase_flows.analysis.transport.collective import collective_motion
from interphase_flows.analysis.transport.groups import by_species
from interphase_flows.analysis.transport.interface_slabs import slabs_between
from interphase_flows.analysis.transport.onsager import OnsagerRequest
from interphase_flows.analysis.transport.regions import onsager_regions, onsager_slabs, onsager_windows
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from moving_interphase import planted_layers

CHARGES = {"Li": 1, "P": 5, "S": -2}
BOX = np.diag([18.0, 20.0, 24.0])
ROUNDING_ANGSTROM = 1e-9
RELATIVE = 1e-3
"""Largest difference from the answer at constant volume in a cell whose lengths breathe by 1 %."""


def assert_close(ours, expected, relative: float) -> None:
    scale = relative * np.abs(expected).max()
    np.testing.assert_allclose(ours, expected, rtol=relative, atol=scale)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("seed", range(3))
def test_onsager_coefficients_of_a_breathing_cell_are_those_at_constant_volume(seed, axes):
    """Values, intervals and conductivity; step and number of steps are the same."""
    rng = np.random.default_rng(seed)
    constant = Brownian(vibration_angstrom=0.5).frames(rng, 400, cell=BOX)
    changing = in_changing_cell(constant, breathing_strain(rng, 400, axes))
    expected, found = (onsager_matrix(each, temperature_K=600) for each in (constant, changing))
    assert (found.step_ps, found.n_steps) == (expected.step_ps, expected.n_steps)
    for name in ("onsager", "self_part", "beyond_frame", "constraint_free"):
        for part in ("value", "lower", "upper", "standard_error"):
            assert_close(getattr(getattr(found, name), part), getattr(getattr(expected, name), part), RELATIVE)
    sigma, at_constant = (ionic_conduction(each, CHARGES).conductivity_S_per_m.value for each in (found, expected))
    assert sigma == pytest.approx(at_constant, rel=RELATIVE)


def test_intervals_of_walkers_in_a_breathing_cell_cover_as_at_constant_volume():
    """Steps are drawn in Å in the cell of the moment: means agree, and the same draws are covered but for a few."""
    known = Brownian()
    rate, upper = known.rate(), np.triu_indices(3)
    values, covered = ({name: [] for name in ("constant", *AXES)} for _ in range(2))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        constant = known.frames(rng, 250, cell=BOX)
        steps = np.diff(constant.all_positions, axis=0, prepend=0.0)
        for name in values:
            strain = 0.0 if name == "constant" else breathing_strain(rng, 250, name)
            stretch = np.broadcast_to(1.0 + strain, (250, 3))[:, None, :]
            walked = np.cumsum(steps / stretch, axis=0) * stretch
            frames = ArrayFrames(constant.numbers, constant.time_fs, walked, BOX * stretch)
            result = onsager_matrix(frames, temperature_K=600)
            values[name].append(result.onsager.value[upper])
            truth = (rate / result.kT_volume_eV_angstrom3)[upper]
            covered[name].append((result.onsager.lower[upper] <= truth) & (truth <= result.onsager.upper[upper]))
    for name in AXES:
        assert_close(np.mean(values[name], axis=0), np.mean(values["constant"], axis=0), RELATIVE)
        changed = np.sum(covered[name], axis=0) - np.sum(covered["constant"], axis=0)
        assert np.abs(changed).max() <= 1, name
        assert 0.90 <= np.mean(covered[name]) <= 0.99, name


@pytest.mark.parametrize("axes", AXES)
def test_windows_and_slabs_of_a_breathing_cell_are_those_at_constant_volume(axes):
    rng = np.random.default_rng(4)
    known = Brownian((40, 12, 20), (0.3, 0.05, 0.1), np.zeros((3, 3)))
    constant = known.frames(rng, 500, cell=BOX)
    changing = in_changing_cell(constant, breathing_strain(rng, 500, axes))
    both = [onsager_windows(each, window_ps=200.0, temperature_K=600, step_ps=1.0) for each in (constant, changing)]
    for expected, found in zip(*both, strict=True):
        # in a part of the series, the mean of a slow fluctuation is not zero
        assert_close(found.result.onsager.value, expected.result.onsager.value, 0.02)
    both = [
        onsager_slabs(each, window_ps=499.0, n_slabs=2, temperature_K=600, step_ps=1.0) for each in (constant, changing)
    ]
    for expected, found in zip(*both, strict=True):
        assert found.fraction_staying == expected.fraction_staying
        assert found.upper_angstrom == pytest.approx(expected.upper_angstrom, rel=RELATIVE)
        for direction in ("in_plane", "normal"):
            ours, theirs = getattr(found, direction), getattr(expected, direction)
            assert_close(ours.onsager.value, theirs.onsager.value, RELATIVE)


@pytest.mark.parametrize("axes", AXES)
def test_slabs_between_moving_boundaries_are_those_at_constant_volume(axes):
    """Boundaries in Å of each frame; the volume of a slab, and its density, are those in the mean cell."""
    rng = np.random.default_rng(8)
    constant = planted_layers(260, seed=8)
    strain = breathing_strain(rng, 260, axes, rms=0.005)
    found = {}
    for name, frames, stretch in (
        ("constant", constant, np.ones(260)),
        (axes, in_changing_cell(constant, strain), 1.0 + strain[:, 2]),
    ):
        interfaces = [
            Interface(
                side, 0, np.ones(260, dtype=bool), constant.time_fs / 1000, 15.0 * stretch, begin * stretch,
                end * stretch,
                {"electrode": 30.0 * stretch, "electrolyte": 30.0 * stretch},
            )
            for side, begin, end in (("above", 30.0, 45.0), ("below", 90.0, 75.0))
        ]  # fmt: skip
        cut = slabs_between(frames, interfaces, [1, 1])
        found[name] = onsager_regions(frames, cut, [(0, 260, 0.0, 259.0)], OnsagerRequest(600.0, step_ps=1.0))
    for expected, ours in zip(found["constant"], found[axes], strict=True):
        assert (ours.name, ours.n_atoms, ours.fraction_staying) == (
            expected.name, expected.n_atoms, expected.fraction_staying,
        )  # fmt: skip
        assert ours.upper_angstrom - ours.lower_angstrom == pytest.approx(
            expected.upper_angstrom - expected.lower_angstrom, rel=1e-9
        )
        for direction in ("in_plane", "normal"):
            theirs, mine = getattr(expected, direction), getattr(ours, direction)
            if isinstance(theirs, Unavailable):
                assert mine == theirs
                continue
            assert mine.volume_angstrom3 == pytest.approx(theirs.volume_angstrom3, rel=RELATIVE)
            assert_close(mine.onsager.value, theirs.onsager.value, RELATIVE)


def test_only_windows_in_which_the_cell_drifts_are_unavailable():
    """The height shrinks by 12 % in the first quarter and then fluctuates."""
    rng = np.random.default_rng(6)
    constant = Brownian().frames(rng, 801, cell=BOX)
    strain = breathing_strain(rng, 801, "normal")
    strain[:, 2] -= 0.12 * np.minimum(np.arange(801) / 200.0, 1.0)
    windows = onsager_windows(in_changing_cell(constant, strain), window_ps=200.0, temperature_K=600)
    assert [isinstance(each.result, Unavailable) for each in windows] == [True, False, False, False]
    assert "the cell drifts by -12" in windows[0].result.reason or "the cell drifts by -13" in windows[0].result.reason
    slabs = onsager_slabs(in_changing_cell(constant, strain), window_ps=200.0, n_slabs=2, temperature_K=600)
    assert ["along z" in each.normal.reason for each in slabs if isinstance(each.normal, Unavailable)] == [True, True]


@pytest.mark.parametrize("axes", AXES)
def test_scaling_of_a_static_crystal_is_no_transport(axes):
    """No displacement, no crossing of a static plane, and a profile of constant counts."""
    rng = np.random.default_rng(7)
    numbers = rng.choice([3, 15, 16], 400)
    positions = np.broadcast_to(rng.random((400, 3)) @ BOX + [0.0, 0.0, 300.0], (40, 400, 3))
    still = ArrayFrames(numbers, 1000.0 * np.arange(40), positions, BOX)
    strain = breathing_strain(rng, 40, axes) - 0.002 * np.arange(40)[:, None] * np.array(AXES[axes]) / 2
    frames = in_changing_cell(still, strain)
    motion = collective_motion(frames, by_species(frames))
    assert np.abs(motion.displacement_angstrom).max() < 1e3 * ROUNDING_ANGSTROM
    assert mean_squared_displacement(frames).msd_angstrom2.max() < ROUNDING_ANGSTROM
    assert not crossings(frames, {"static": 7.0}, reference=numbers == 16).net_atoms.any()
    profile = composition_profile(frames, bin_width_angstrom=2.0)
    assert np.ptp(profile.counts, axis=0).max() <= 1  # an atom at the rounded edge of a slice
    n_per_volume = (profile.density.sum(axis=1)).mean(axis=1)
    volume = np.abs(np.linalg.det(frames.cells))
    np.testing.assert_allclose(n_per_volume, 400 / volume, rtol=1e-12)
