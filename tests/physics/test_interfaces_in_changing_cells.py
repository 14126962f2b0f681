"""Interfaces in cells that change: thickness in Å of the frame, no spurious crossings, figures, files, dynamics."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from breathing_cells import in_changing_cell
from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.analysis.interfaces.detection import find_interfaces, interfaces_of
from interphase_flows.analysis.interfaces.fluxes import crossings_of
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from interphase_flows.md.dynamics import LangevinNPT
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee
from interphase_flows.report.figures.interface_analysis import interface_figures
from trajectory_files import campaign_run

SIDES = TwoSides(frozenset({"Li"}), {"Li": 7, "P": 3, "S": 11})


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


@pytest.mark.parametrize("axes", ["normal", "isotropic"])
def test_centre_of_mass_of_a_run_at_constant_pressure_is_at_rest(axes, tmp_path):
    """In fractional coordinates, far from the origin; atoms vibrate, while the cell shrinks by several per cent."""
    copper = bulk("Cu", cubic=True, a=3.75) * (2, 2, 2)
    copper.positions += 20.0
    dynamics = LangevinNPT(
        temperature_K=200, timestep_fs=2, axes=axes, pressure_GPa=0, barostat_time_fs=100, bulk_modulus_GPa=140
    )
    result = run_segment(copper, CalculatorCommittee([EMT()]), dynamics, 120, 7, tmp_path, frame_interval_steps=20)
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
