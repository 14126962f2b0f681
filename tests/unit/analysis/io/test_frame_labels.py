"""Steps and times of frames: repeats, gaps, contradictions, and clocks that are not constant."""

import re

import h5py
import numpy as np
import pytest
from ase.io import write
from ase.io.trajectory import TrajectoryWriter as AseTrajectoryWriter

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.io.open import open_trajectory
from trajectory_files import (
    INTERVAL_FS,
    STEP_FS,
    STEPS_PER_FRAME,
    assert_read_error,
    atoms_of,
    campaign_run,
    h5md,
    lammps,
    planted,
    read_all,
    wrapped,
    xdatcar,
)


def selected(truth, order):
    """Return a trajectory of the given frames."""
    order = list(order)
    return ArrayFrames(truth.numbers, truth.time_fs[order], truth.all_positions[order], truth.cells[order])


def with_keys(path, truth, keys):
    """Write extended XYZ with the keys of a function of the frame instead of time_fs."""
    frames = atoms_of(truth)
    for frame, atoms in enumerate(frames):
        atoms.info = keys(frame)
    write(path, frames, format="extxyz")
    return path


def dump_with(tmp_path, truth, items, units=""):
    """Write a dump with an item above every frame, and ITEM: UNITS above the first."""
    written = lammps(tmp_path / "t.dump", truth, "xu")
    text = written.path.read_text()
    for frame in range(truth.n_frames):
        step = f"ITEM: TIMESTEP\n{frame * STEPS_PER_FRAME}\n"
        text = text.replace(step, items(frame) + step)
    written.path.write_text((f"ITEM: UNITS\n{units}\n" if units else "") + text)
    return written


def changed_step(frame):
    """Time in ps of a run whose time step drops to a quarter after frame 10."""
    ps = STEP_FS * STEPS_PER_FRAME * (min(frame, 10) + 0.25 * max(frame - 10, 0)) / 1000
    return f"ITEM: TIME\n{ps:.8g}\n"


def test_dump_times_of_a_changing_time_step_are_used_with_units_and_rejected_without(tmp_path):
    truth = planted(n_frames=20)
    written = dump_with(tmp_path, truth, changed_step)
    assert_read_error(written.path, "not steps times a constant: .*fix dt/reset", **written.arguments)
    written = dump_with(tmp_path, truth, changed_step, units="metal")
    frames = read_all(written.path, elements=written.arguments["elements"])
    assert frames.time_fs[-1] == pytest.approx(INTERVAL_FS * (10 + 9 / 4))


@pytest.mark.parametrize("factor", [1.0, 1000.0], ids=["fs", "ps"])
def test_dump_times_without_units_must_agree_with_the_time_step(factor, tmp_path):
    def item(frame):
        return f"ITEM: TIME\n{frame * INTERVAL_FS / factor:.8g}\n"

    written = dump_with(tmp_path, planted(n_frames=6), item)
    assert read_all(written.path, **written.arguments).time_fs[-1] == pytest.approx(5 * INTERVAL_FS)
    wrong = written.arguments | {"time_step_fs": STEP_FS * 10}
    assert_read_error(written.path, "agree in none of", **wrong)


def test_equal_steps_with_moving_atoms_are_rejected(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=5), "x")
    text = written.path.read_text()
    for frame in range(1, 5):
        text = text.replace(f"TIMESTEP\n{frame * STEPS_PER_FRAME}\n", "TIMESTEP\n0\n")
    written.path.write_text(text)
    assert_read_error(written.path, "frames 0 and 1 have the same step, 0, but atoms move", **written.arguments)


def test_many_repeats_are_reported_in_one_line(tmp_path):
    truth = planted(n_frames=4)
    written = lammps(tmp_path / "t.dump", truth, "xu")
    text = written.path.read_text()
    last = text[text.rindex("ITEM: TIMESTEP") :]
    written.path.write_text(text + 9 * last)
    frames = read_all(written.path, **written.arguments)
    assert frames.n_frames == 4
    assert frames.repairs == ("9 repeated frames were left out, the first after frame 3",)


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
def test_legs_without_times_repeat_their_first_frame(suffix, tmp_path):
    """As ASE writes dynamics that are appended in legs."""
    truth = planted(n_frames=13)
    legs = selected(truth, [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12])
    frames = atoms_of(legs)
    for atoms in frames:
        atoms.info = {}
    path = tmp_path / f"t.{suffix}"
    if suffix == "traj":
        with AseTrajectoryWriter(str(path)) as writer:
            for atoms in frames:
                writer.write(atoms)
    else:
        write(path, frames)
    with open_trajectory(path, frame_interval_fs=INTERVAL_FS) as found:
        np.testing.assert_allclose(found.time_fs, truth.time_fs)
        np.testing.assert_allclose(found.positions(12), truth.positions(12), atol=1e-6)
    assert len(found.repairs) == 2
    assert "identical positions" in found.repairs[0]


def test_xdatcar_numbers_show_missing_configurations(tmp_path):
    truth = planted(n_frames=40)
    kept = [*range(10), *range(14, 40)]
    written = xdatcar(tmp_path / "XDATCAR", wrapped(truth), every_header=False)
    text = written.path.read_text()
    blocks = text.split("Direct configuration=")
    written.path.write_text("Direct configuration=".join([blocks[0], *(blocks[k + 1] for k in kept)]))
    found = read_all(written.path, **written.arguments)
    np.testing.assert_allclose(found.time_fs, truth.time_fs[kept])
    assert "a gap of 5 intervals" in found.repairs[0]


def test_xdatcar_stride_of_nblock_is_one_interval(tmp_path):
    written = xdatcar(tmp_path / "XDATCAR", planted(n_frames=5), every_header=True)
    text = written.path.read_text()
    for frame in range(5, 0, -1):
        text = text.replace(f"configuration= {frame:5d}\n", f"configuration= {10 * frame:5d}\n")
    written.path.write_text(text)
    found = read_all(written.path, **written.arguments)
    np.testing.assert_allclose(found.time_fs, INTERVAL_FS * np.arange(5))
    assert found.repairs == ()


def test_xdatcar_numbers_that_start_again_continue_the_run(tmp_path):
    truth = planted(n_frames=10)
    first = xdatcar(tmp_path / "a", wrapped(selected(truth, range(6))), every_header=False).path.read_text()
    for start, name in ((6, "continued"), (5, "repeated")):
        second = xdatcar(tmp_path / "b", wrapped(selected(truth, range(start, 10))), every_header=False).path
        path = tmp_path / f"XDATCAR_{name}"
        path.write_text(first + second.read_text())
        found = read_all(path, frame_interval_fs=INTERVAL_FS)
        np.testing.assert_allclose(found.time_fs, truth.time_fs)
        np.testing.assert_allclose(found.positions(9), truth.positions(9), atol=1e-6)
        assert "starts again at frame 6" in found.repairs[0]


def test_xdatcar_numbers_of_nblock_that_start_again_continue_the_run(tmp_path):
    truth = planted(n_frames=8)
    path = tmp_path / "XDATCAR"
    parts = [
        xdatcar(tmp_path / "a", wrapped(selected(truth, rows)), every_header=False).path.read_text()
        for rows in (range(4), range(4, 8))
    ]
    path.write_text(
        re.sub(r"configuration= +(\d+)", lambda found: f"configuration= {10 * int(found[1])}", "".join(parts))
    )
    found = read_all(path, frame_interval_fs=INTERVAL_FS)
    np.testing.assert_allclose(found.time_fs, truth.time_fs)
    assert "starts again at frame 4" in found.repairs[0]


def test_extxyz_steps_and_picoseconds_are_read(tmp_path):
    truth = planted(n_frames=6)
    steps = with_keys(tmp_path / "a.extxyz", truth, lambda k: {"Timestep": STEPS_PER_FRAME * k, "Time": 0.1 * k})
    assert read_all(steps, time_step_fs=STEP_FS).time_fs[-1] == pytest.approx(5 * INTERVAL_FS)
    assert read_all(steps, frame_interval_fs=INTERVAL_FS).time_fs[-1] == pytest.approx(5 * INTERVAL_FS)
    assert_read_error(steps, "agree in none of", frame_interval_fs=10 * INTERVAL_FS)
    assert_read_error(steps, "agree in none of", time_step_fs=STEP_FS / 10)
    picoseconds = with_keys(tmp_path / "b.extxyz", truth, lambda k: {"time_ps": 0.1 * k})
    assert read_all(picoseconds).time_fs[-1] == pytest.approx(5 * INTERVAL_FS)
    assert_read_error(picoseconds, "contradicts the file", frame_interval_fs=10 * INTERVAL_FS)


def test_extxyz_restart_repeats_a_step(tmp_path):
    order = [0, 1, 2, 2, 3, 4]
    truth = planted(n_frames=5)
    path = with_keys(tmp_path / "t.extxyz", selected(truth, order), lambda k: {"Timestep": 1000 * order[k]})
    found = read_all(path, frame_interval_fs=INTERVAL_FS)
    np.testing.assert_allclose(found.time_fs, truth.time_fs)
    assert found.repairs == ("a repeated frame after frame 2 was left out",)


def test_labels_of_some_frames_only_are_rejected(tmp_path):
    path = with_keys(tmp_path / "t.extxyz", planted(n_frames=4), lambda k: {"time_fs": float(k)} if k != 2 else {})
    assert_read_error(path, "frame 2 has no time_fs, 3 of 4 frames have one", frame_interval_fs=1.0)


def test_logarithmic_spacing_is_no_gap(tmp_path):
    steps = [0, *(2**k for k in range(8))]
    path = with_keys(tmp_path / "t.extxyz", planted(n_frames=9), lambda k: {"step": steps[k]})
    assert read_all(path, time_step_fs=STEP_FS).repairs == ()


@pytest.mark.parametrize("times", [[0.0, 1.0, 1.0, 2.0], [0.0, 2.0, 1.0, 3.0], [0.0, 1.0, 1e39, 2e39]])
def test_h5md_times_must_increase_and_be_plausible(times, tmp_path):
    written = h5md(tmp_path / "t.h5", planted(n_frames=4))
    with h5py.File(written.path, "a") as file:
        group = file["particles/all/position"]
        del group["time"]
        group["time"] = times
        group["time"].attrs["unit"] = "ps"
    assert_read_error(written.path, "time (decreases|1000)|same time|not a time of molecular dynamics|the time ")


def test_h5md_times_without_a_unit_must_agree_with_the_options(tmp_path):
    written = h5md(tmp_path / "t.h5", planted(n_frames=4))
    with h5py.File(written.path, "a") as file:
        del file["particles/all/position/time"].attrs["unit"]
    assert read_all(written.path, time_step_fs=STEP_FS).time_fs[-1] == pytest.approx(3 * INTERVAL_FS)
    assert_read_error(written.path, "agree in none of", time_step_fs=STEP_FS * 10)


def test_times_of_a_campaign_must_increase(tmp_path):
    truth = planted(n_frames=3)
    written = campaign_run(tmp_path / "t.zarr.zip", selected(truth, [0, 2, 1]))
    assert_read_error(written.path, "frame 2: the time does not increase")
