"""Segments at constant pressure: sign of the pressure, axes, exact restarts, frames with their cells, errors."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.io import write
from hypothesis import given
from hypothesis import strategies as st

from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.cell_rescaling import LARGEST_STRAIN, Axes, CellRescaling, scale_cell
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNPT
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.md.segment import SegmentResult
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee

ARGON = {"temperature_K": 40.0, "timestep_fs": 2.0, "barostat_time_fs": 200.0, "bulk_modulus_GPa": 3.0}
STORED_ANGSTROM = 1e-6


def assert_same(one: SegmentResult, other: SegmentResult) -> None:
    """Assert bitwise equality of state, frames and observables of the cell."""
    a, b = read_checkpoint(one.last_good_checkpoint), read_checkpoint(other.last_good_checkpoint)
    assert a.state_sha256() == b.state_sha256()
    assert one.trajectory.read_bytes() == other.trajectory.read_bytes()
    np.testing.assert_array_equal(one.volume_angstrom3, other.volume_angstrom3)
    np.testing.assert_array_equal(one.normal_stress_GPa, other.normal_stress_GPa)


def npt(axes: Axes = "normal", **settings: Any) -> LangevinNPT:
    return LangevinNPT(**(ARGON | {"axes": axes} | settings))


@pytest.mark.parametrize("axes", ["normal", "orthogonal", "isotropic"])
def test_positive_pressure_compresses_and_negative_pressure_expands(go, tmp_path, axes):
    volumes, lengths = [], []
    for pressure_GPa in (-0.1, 0.0, 1.0):
        result = go(tmp_path / str(pressure_GPa), n_steps=60, dynamics=npt(axes, pressure_GPa=pressure_GPa))
        assert result.stop_reason == "finished"
        end = read_checkpoint(result.last_good_checkpoint)
        volumes.append(abs(np.linalg.det(end.cell)))
        lengths.append(np.diag(end.cell))
        assert result.volume_angstrom3[-1] == pytest.approx(volumes[-1])
        assert len(result.normal_stress_GPa) == len(result.evaluation_step)
    assert volumes[0] > volumes[1] > 1.01 * volumes[2]
    start_angstrom = 10.8
    if axes == "normal":
        assert (np.array(lengths)[:, :2] == start_angstrom).all()
    else:
        assert (np.array(lengths)[2] < start_angstrom).all()
    spread = np.ptp(np.array(lengths), axis=1)
    assert (spread < 1e-9).all() if axes == "isotropic" else (spread > 1e-4).all()


def test_in_plane_cell_of_a_tilted_cell_keeps_its_bits(go, tmp_path, argon):
    """Only the z component of c changes."""
    argon.set_cell([[10.8, 0.1, 0.0], [0.7, 10.9, 0.0], [0.3, -0.2, 10.8]], scale_atoms=True)
    result = go(tmp_path, start=argon, dynamics=npt(pressure_GPa=0.5))
    end = read_checkpoint(result.last_good_checkpoint).cell
    is_height = np.zeros((3, 3), dtype=bool)
    is_height[2, 2] = True
    assert (end == argon.cell.array)[~is_height].all()
    assert end[2, 2] != argon.cell.array[2, 2]


def test_recorded_stress_opposes_the_pressure_in_equilibrium(go, tmp_path):
    """Tension is positive: the mean normal stress is minus the external pressure."""
    result = go(tmp_path, n_steps=400, dynamics=npt(pressure_GPa=1.0, barostat_time_fs=100.0))
    assert result.normal_stress_GPa[30:].mean() == pytest.approx(-1.0, abs=0.15)


@pytest.mark.parametrize("axes", ["normal", "orthogonal", "isotropic"])
def test_two_segments_equal_a_long_one(go, tmp_path, axes):
    """60 steps equal 25 + 35 to the last bit, including the cell, its frames and the recorded stress."""
    options = {"dynamics": npt(axes, pressure_GPa=0.3)}
    uninterrupted = go(tmp_path / "uninterrupted", **options)
    first = go(tmp_path / "first", n_steps=25, **options)
    middle = read_checkpoint(first.last_good_checkpoint)
    second = go(tmp_path / "second", n_steps=35, start=middle, seed=None, **options)
    a, b = read_checkpoint(uninterrupted.last_good_checkpoint), read_checkpoint(second.last_good_checkpoint)
    assert a.state_sha256() == b.state_sha256()
    np.testing.assert_array_equal(a.cell, b.cell)
    for name in ("volume_angstrom3", "normal_stress_GPa"):
        series = [*getattr(first, name), *getattr(second, name)]
        assert getattr(uninterrupted, name).tolist() == series
    with RunFrames([uninterrupted.trajectory]) as one, RunFrames([first.trajectory, second.trajectory]) as two:
        for frame in range(one.n_frames):
            np.testing.assert_array_equal(one.cell(frame), two.cell(frame))
            np.testing.assert_allclose(one.positions(frame), two.positions(frame), atol=STORED_ANGSTROM, rtol=0)


def test_resume_after_walltime_is_identical(go, tmp_path):
    options = {"dynamics": npt(pressure_GPa=0.3)}
    uninterrupted = go(tmp_path / "uninterrupted", **options)
    for _ in range(2):
        stops = iter([False, False, True])
        assert go(tmp_path / "cut", stop_requested=lambda s=stops: next(s), **options).stop_reason == "walltime"
    assert_same(uninterrupted, go(tmp_path / "cut", **options))


def test_resume_after_a_crash_between_checkpoints_is_identical(go, tmp_path, pair_committee):
    options = {"dynamics": npt("isotropic", pressure_GPa=0.3)}
    uninterrupted = go(tmp_path / "uninterrupted", **options)

    class Crash(Exception):
        pass

    calls = iter(range(8))

    class Crashing(CalculatorCommittee):
        def forces_all(self, atoms):
            if next(calls, 99) >= 7:
                raise Crash
            return super().forces_all(atoms)

    with pytest.raises(Crash):
        go(tmp_path / "cut", committee=Crashing(pair_committee.members), **options)
    assert_same(uninterrupted, go(tmp_path / "cut", **options))


def test_seed_determines_the_cell(go, tmp_path):
    ends = [
        read_checkpoint(go(tmp_path / name, seed=seed, dynamics=npt()).last_good_checkpoint).state_sha256()
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    ]
    assert ends[0] == ends[1] != ends[2]


def test_frames_and_exported_atoms_have_their_own_cell(go, tmp_path):
    """The stored positions are unwrapped: the fractional centre of mass does not move with the cell."""
    result = go(tmp_path, dynamics=npt(pressure_GPa=1.0))
    with Trajectory(result.trajectory) as trajectory, RunFrames([result.trajectory]) as run:
        heights = trajectory.cell[:, 2, 2]
        assert len(set(heights)) == trajectory.n_frames
        end = read_checkpoint(result.last_good_checkpoint)
        np.testing.assert_array_equal(trajectory.cell[-1], end.cell)
        np.testing.assert_allclose(trajectory.positions(-1), end.positions, atol=STORED_ANGSTROM)
        for frame in range(0, run.n_frames, 5):
            np.testing.assert_array_equal(run.atoms(frame).cell.array, trajectory.cell[frame])
        centres = [fractional(run.positions(f), run.cell(f)).mean(axis=0) for f in range(run.n_frames)]
        np.testing.assert_allclose(centres, np.broadcast_to(centres[0], np.shape(centres)), atol=1e-8)


@pytest.mark.parametrize("wrapped", [False, True], ids=["unwrapped", "wrapped"])
def test_frames_written_as_extxyz_are_read_back(go, tmp_path, argon, wrapped):
    """As by `interphase export`; positions that were wrapped are unwrapped to the stored ones in the changing cell."""
    argon.positions += [40.0, -30.0, 5.0]
    result = go(tmp_path / "run", start=argon, dynamics=npt("isotropic", pressure_GPa=1.0))
    path = tmp_path / "run.extxyz"
    with RunFrames([result.trajectory]) as run:
        frames = [run.atoms(frame) for frame in range(run.n_frames)]
    if wrapped:
        for atoms in frames:
            atoms.wrap()
    write(path, frames, format="extxyz")
    found = open_trajectory(path)
    with RunFrames([result.trajectory]) as run:
        images = np.rint(fractional(run.positions(0), run.cell(0)) - fractional(found.positions(0), found.cell(0)))
        for frame in range(run.n_frames):
            np.testing.assert_allclose(found.cell(frame), run.cell(frame), atol=1e-7)
            positions = found.positions(frame) + images @ found.cell(frame)
            np.testing.assert_allclose(positions, run.positions(frame), atol=1e-6)


class Forces(Calculator):
    """A potential without stress."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


def test_potential_without_stress_is_an_error(go, tmp_path):
    with pytest.raises(DynamicsError, match="constant pressure needs the stress of the potential"):
        go(tmp_path, committee=CalculatorCommittee([Forces()]), dynamics=npt())


def test_cell_that_cannot_change_along_the_axes_is_an_error(go, tmp_path, argon):
    turned = argon.copy()
    turned.rotate(10, "x", rotate_cell=True)
    with pytest.raises(DynamicsError, match="a and b in the xy plane"):
        go(tmp_path / "turned", start=turned, dynamics=npt())
    assert go(tmp_path / "isotropic", n_steps=5, start=turned, dynamics=npt("isotropic")).stop_reason == "finished"
    argon.pbc = [True, True, False]
    with pytest.raises(DynamicsError, match="periodic along them"):
        go(tmp_path / "slab", start=argon, dynamics=npt())


@pytest.mark.parametrize("axes", ["normal", "orthogonal", "isotropic"])
def test_vacuum_is_an_error(go, tmp_path, argon, axes):
    """The pressure does not determine its thickness. Vacuum in the plane has no effect on the axis z."""
    argon.positions += 50.0  # unwrapped
    lengths = argon.cell.lengths()
    argon.set_cell([*lengths[:2], lengths[2] + 15.0])
    with pytest.raises(DynamicsError, match=r"layer of 17.* Å without atoms\. Hint: use ensemble nvt"):
        go(tmp_path / "slab", start=argon, dynamics=npt(axes))
    argon.set_cell([lengths[0] + 15.0, *lengths[1:]])
    if axes == "normal":
        assert go(tmp_path / "wire", n_steps=2, start=argon, dynamics=npt()).stop_reason == "finished"
    else:
        with pytest.raises(DynamicsError, match="without vacuum"):
            go(tmp_path / "wire", start=argon, dynamics=npt(axes))


def test_barostat_faster_than_the_time_step_resolves_is_an_error():
    with pytest.raises(ValueError, match="barostat_time_fs=19: must be at least 10 time steps of 2 fs"):
        npt(barostat_time_fs=19.0)


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.lists(st.floats(0.7, 1.4), min_size=3, max_size=3),
    axes=st.sampled_from(["normal", "orthogonal"]),
    shift=st.floats(-1e3, 1e3),
)
def test_scaling_keeps_fractional_coordinates(seed, scale, axes, shift):
    """Unwrapped positions in any triclinic cell, far outside the cell; the volume changes by the product of scales."""
    generator = np.random.default_rng(seed)
    cell = np.eye(3) * 8.0 + generator.uniform(-1.5, 1.5, (3, 3))
    if axes == "normal":
        cell[:2, 2] = 0.0
    atoms = Atoms("Li6", generator.uniform(-30, 30, (6, 3)) + shift, cell=cell, pbc=True)
    before, volume = fractional(atoms.positions, cell), atoms.get_volume()
    scale_cell(atoms, np.array(scale), axes)
    np.testing.assert_allclose(fractional(atoms.positions, atoms.cell.array), before, atol=1e-9, rtol=1e-9)
    factor = scale[2] if axes == "normal" else np.prod(scale)
    assert atoms.get_volume() == pytest.approx(volume * factor, rel=1e-12)


def test_strain_of_a_step_is_bounded_far_from_equilibrium():
    barostat = CellRescaling("normal", 0.0, 1.0, 1.0, 1e-12)
    strain = barostat.strain(np.array([0.0, 0.0, 1e6]), 1000.0, 1.0, np.random.default_rng(1))
    assert strain[2] == pytest.approx(LARGEST_STRAIN, abs=1e-5)


def test_stress_that_is_not_finite_ends_the_segment(go, tmp_path, pair_committee):
    class Broken(Forces):
        implemented_properties = ("energy", "forces", "stress")

        def calculate(self, atoms=None, properties=None, system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results["stress"] = np.full(6, np.nan)

    atoms = bulk("Ar", cubic=True, a=5.4) * (2, 2, 2)
    assert (
        go(tmp_path, start=atoms, committee=CalculatorCommittee([Broken()]), dynamics=npt()).stop_reason == "not_finite"
    )
