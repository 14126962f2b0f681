"""Known answers in cells that change: transport is that at constant volume, and scaling of the cell moves no atom."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from breathing_cells import AXES, breathing_strain, in_changing_cell
from brownian import Brownian
from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.analysis.interfaces.detection import find_interfaces, interfaces_of
from interphase_flows.analysis.interfaces.fluxes import crossings_of
from interphase_flows.analysis.interfaces.plane_flux import crossings
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport import ionic_conduction, onsager_matrix
from interphase_flows.analysis.transport.collective import collective_motion
from interphase_flows.analysis.transport.groups import by_species
from interphase_flows.analysis.transport.regions import onsager_slabs, onsager_windows
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from interphase_flows.md.dynamics import LangevinNPT
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee
from interphase_flows.report.figures.interface_analysis import interface_figures
from trajectory_files import campaign_run

SIDES = TwoSides(frozenset({"Li"}), {"Li": 7, "P": 3, "S": 11})
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


@pytest.fixture(scope="module")
def shrinking():
    """The planted interphase as it is, and with a cell and positions whose height shrinks by 10 % linearly."""
    constant = growing(2.0, n_frames=30, planes_per_angstrom=2)
    strain = np.zeros((30, 3))
    strain[:, 2] = -0.1 * np.arange(30) / 29
    return constant, in_changing_cell(constant, strain), 1.0 + strain[:, 2]


def interfaces(frames):
    return {each.name: each for each in interfaces_of(frames, SIDES, find_interfaces(frames, SIDES)[0])[0]}


def test_thickness_is_in_angstrom_of_the_frame(shrinking):
    constant, changing, stretch = shrinking
    for name, expected in interfaces(constant).items():
        found = interfaces(changing)[name]
        for series in ("thickness_angstrom", "electrode_side_angstrom", "electrolyte_side_angstrom"):
            np.testing.assert_allclose(getattr(found, series), stretch * getattr(expected, series), rtol=0, atol=0.15)
        for side, left in expected.reservoirs.items():
            np.testing.assert_allclose(found.reservoirs[side], stretch * left, rtol=0, atol=0.3)


def test_crossings_of_a_shrinking_cell_are_those_of_the_constant_cell(shrinking):
    """Boundaries at the same fractions of the cell: atoms and sweep are equal, only the height differs."""
    constant, changing, stretch = shrinking
    for name, boundaries in interfaces(constant).items():
        scaled = replace(
            boundaries,
            electrode_side_angstrom=stretch * boundaries.electrode_side_angstrom,
            electrolyte_side_angstrom=stretch * boundaries.electrolyte_side_angstrom,
        )
        expected, found = crossings_of(constant, boundaries), crossings_of(changing, scaled)
        assert np.abs(found.by_atoms - expected.by_atoms).sum() <= 2, name  # atoms in the plane, by rounding
        assert np.abs(found.by_sweep - expected.by_sweep).sum() <= 2, name
        np.testing.assert_allclose(found.area_nm2, expected.area_nm2)


@pytest.mark.parametrize("velocity", [0.0, 0.4])
def test_drift_before_the_interface_is_followed_scales_with_the_cell(shrinking, velocity):
    """Everything drifts by a fraction of the cell per frame, and the interface is followed from frame 10 on."""
    constant, _, stretch = shrinking
    drifting = constant.all_positions + velocity * np.arange(30)[:, None, None] * np.array([0.0, 0.0, 1.0])
    scale = np.stack([np.ones(30), np.ones(30), stretch], axis=1)[:, None, :]
    frames = ArrayFrames(constant.numbers, constant.time_fs, drifting * scale, constant.cells * scale)
    above = interfaces(constant)["above"]
    late = {
        "first_frame": 10,
        "is_found": above.is_found[10:],
        "time_ps": above.time_ps[10:],
        "electrode_side_angstrom": (stretch * above.electrode_side_angstrom)[10:],
        "electrolyte_side_angstrom": (stretch * above.electrolyte_side_angstrom)[10:],
    }
    counted = crossings_of(frames, replace(above, **late))
    expected = crossings_of(constant, above)
    assert np.abs(counted.net_atoms - expected.net_atoms[10:]).sum() <= 4


@pytest.mark.parametrize("axes", AXES)
def test_centre_of_mass_of_a_run_at_constant_pressure_is_at_rest(axes, tmp_path):
    """In fractional coordinates, far from the origin; atoms vibrate, while the cell shrinks by several per cent."""
    copper = bulk("Cu", cubic=True, a=3.75) * (2, 2, 2)
    copper.positions += 20.0
    dynamics = LangevinNPT(
        temperature_K=200, timestep_fs=2, axes=axes, pressure_GPa=0, barostat_time_fs=100, bulk_modulus_GPa=140
    )
    result = run_segment(copper, CalculatorCommittee([EMT()]), dynamics, 150, 7, tmp_path, frame_interval_steps=5)
    with open_trajectory(result.trajectory) as frames:
        assert frames.cell(frames.n_frames - 1)[2, 2] < 0.97 * frames.cell(0)[2, 2]
        moved = mean_squared_displacement(frames)
        assert np.abs(moved.drift_angstrom).max() < 1e-6
        assert moved.msd_angstrom2.max() < 0.1  # shrinking moves an atom at 27 Å by 1 Å


PARTS = ("boundaries", "fluxes", "profiles", "transport", "displacement")


@pytest.fixture(scope="module")
def analysed(shrinking):
    """The shrinking cell, of which only windows after the first frames support transport, analysed in memory."""
    settings = InterfaceAnalysisSettings({"Li": 1}, {"Li": 7, "P": 3, "S": 11}, 600.0, PARTS)
    return settings, analyse_interface(shrinking[1], settings)


def test_interface_analysis_of_a_file_equals_that_in_memory(shrinking, analysed, tmp_path):
    """Two segments of a run: the stored displacements are in single precision."""
    settings, in_memory = analysed
    _, frames, _ = shrinking
    halves = [
        ArrayFrames(frames.numbers, frames.time_fs[rows], frames.all_positions[rows], frames.cells[rows])
        for rows in (slice(0, 13), slice(13, 30))
    ]
    paths = [campaign_run(tmp_path / f"{i}.zarr.zip", half).path for i, half in enumerate(halves)]
    with RunFrames(paths) as run:
        streamed = analyse_interface(run, settings)
    assert streamed.arrays.keys() == in_memory.arrays.keys()
    for name, expected in in_memory.arrays.items():
        np.testing.assert_allclose(streamed.arrays[name], expected, rtol=1e-3, atol=0.1, err_msg=name)
    np.testing.assert_array_equal(streamed.arrays["cell.height_angstrom"], in_memory.arrays["cell.height_angstrom"])


def test_heights_of_profiles_are_those_of_the_cell_in_each_block(shrinking, analysed):
    """The thickness in a profile is that of the boundaries at the same time; a figure draws the cell."""
    _, _, stretch = shrinking
    _, found = analysed
    arrays = found.arrays
    np.testing.assert_allclose(arrays["cell.height_angstrom"], 90.0 * stretch)
    np.testing.assert_allclose(arrays["cell.volume_angstrom3"], 18.0 * 18.0 * 90.0 * stretch)
    n_blocks = len(arrays["profiles.block_ps"])
    mean = stretch.reshape(n_blocks, -1).mean(axis=1)
    np.testing.assert_allclose(arrays["profiles.block_period_angstrom"], 90.0 * mean)
    lower, upper = arrays["profiles.interphase_above_angstrom"].T
    thickness = arrays["above.thickness_angstrom"].reshape(n_blocks, -1).mean(axis=1)
    np.testing.assert_allclose(upper - lower, thickness, atol=0.3)
    assert "cell" in interface_figures(found.parts, arrays)


def test_transport_of_a_relaxing_cell_is_unavailable_with_its_drift(analysed):
    entire_cell = analysed[1].parts["transport"]
    assert isinstance(entire_cell, Unavailable)
    assert "the cell drifts by -10.5 % along z from 0 to 29 ps" in entire_cell.reason
