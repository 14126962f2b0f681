"""Segments: stop reasons, results, restarts."""

from pathlib import Path

import numpy as np
import pytest
from ase.constraints import FixAtoms

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import DynamicsError, InputError, LockedError
from interphase_flows.md.checkpoint import checkpoint_paths, read_checkpoint
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee
from interphase_flows.runtime.file_locks import exclusive_folder
from same_segments import assert_same


def test_result_of_a_finished_segment(go, tmp_path):
    progress: list[tuple[int, int]] = []
    result = go(tmp_path, on_progress=lambda step, n_steps, info: progress.append((step, n_steps)))
    assert result.stop_reason == "finished"
    assert (result.first_step, result.stop_step, result.n_steps_done) == (0, 60, 60)
    assert result.final_checkpoint == result.last_good_checkpoint
    assert result.n_frames == 21
    assert progress == [(step, 60) for step in range(5, 61, 5)]
    assert result.evaluation_step.tolist() == list(range(0, 61, 5))
    assert 10 < result.evaluation_temperature_K.mean() < 60
    with Trajectory(result.trajectory) as trajectory:
        assert trajectory.step.tolist() == list(range(0, 61, 3))
        assert trajectory.side is not None
        assert trajectory.side[-1] == "electrolyte"
        end = read_checkpoint(result.last_good_checkpoint)
        np.testing.assert_allclose(trajectory.positions(-1), end.positions, atol=1e-6)
        assert np.isfinite(trajectory.uncertainty_eV_per_angstrom[::5]).all()
        assert np.isnan(trajectory.uncertainty_eV_per_angstrom[1])


def test_candidates_are_the_most_uncertain_frames_of_their_windows(go, tmp_path):
    """At most three, with windows of 15 steps."""
    result = go(tmp_path)
    assert len(result.candidates) == 3
    by_step = dict(zip(result.evaluation_step.tolist(), result.uncertainty_eV_per_angstrom, strict=True))
    worst = {}
    for step, value in by_step.items():
        worst[step // 15] = max(worst.get(step // 15, 0.0), value)
    expected = sorted(worst.values())[-3:]
    assert sorted(c.uncertainty_eV_per_angstrom for c in result.candidates) == pytest.approx(expected)
    candidate = result.candidates[0]
    std = candidate.atoms.arrays["force_std_eV_per_angstrom"]
    assert std.max() == by_step[candidate.step]
    assert candidate.atoms.arrays["side"][0] == "electrode"


def test_resume_after_walltime_is_identical(go, tmp_path):
    """Interrupted twice, the segment equals the uninterrupted one."""
    uninterrupted = go(tmp_path / "uninterrupted")
    for _ in range(2):
        stops = iter([False, False, True])
        cut = go(tmp_path / "cut", stop_requested=lambda stops=stops: next(stops))
        assert cut.stop_reason == "walltime"
        assert cut.trajectory.is_dir()
    assert cut.stop_step == 30
    assert_same(uninterrupted, go(tmp_path / "cut"))


def test_finished_segment_is_not_run_again(go, tmp_path):
    """No committee is needed."""
    first = go(tmp_path)
    again = go(tmp_path, committee=None)
    assert_same(first, again)


def test_two_segments_equal_a_long_one(go, tmp_path):
    """60 steps equal 25 + 35, including momenta, random numbers and frames."""
    uninterrupted = go(tmp_path / "uninterrupted")
    first = go(tmp_path / "first", n_steps=25)
    middle = read_checkpoint(first.last_good_checkpoint)
    second = go(tmp_path / "second", n_steps=35, start=middle, seed=None)
    assert (second.first_step, second.stop_step) == (25, 60)
    a, b = read_checkpoint(uninterrupted.last_good_checkpoint), read_checkpoint(second.last_good_checkpoint)
    assert a.state_sha256() == b.state_sha256()
    with (
        Trajectory(uninterrupted.trajectory) as one,
        Trajectory(first.trajectory) as two,
        Trajectory(second.trajectory) as three,
    ):
        assert one.step.tolist() == [*two.step, *three.step]
        assert one.time_fs.tolist() == [*two.time_fs, *three.time_fs]
        assert one.potential_energy_eV.tolist() == [*two.potential_energy_eV, *three.potential_energy_eV]
        np.testing.assert_allclose(one.positions(-1), three.positions(-1), atol=1e-6)
    series = [*first.uncertainty_eV_per_angstrom, *second.uncertainty_eV_per_angstrom]
    assert uninterrupted.uncertainty_eV_per_angstrom.tolist() == series


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_damaged_checkpoint_falls_back_to_the_previous_one(go, tmp_path, damage):
    """The result is identical, with a note."""
    uninterrupted = go(tmp_path / "uninterrupted")
    stops = iter([False] * 6 + [True])
    go(tmp_path / "cut", stop_requested=lambda: next(stops))
    newest, before = checkpoint_paths(tmp_path / "cut")
    content = newest.read_bytes()
    # a byte of the positions, since the archive has bytes without meaning
    at = content.index(read_checkpoint(newest).positions.tobytes())
    newest.write_bytes(
        {
            "flipped": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
            "cut": content[: len(content) // 2],
        }.get(damage, b"")
    )
    result = go(tmp_path / "cut")
    assert_same(uninterrupted, result)
    assert len(result.notes) == 1
    assert newest.name in result.notes[0]
    assert before.exists() or result.stop_step == 60


def test_segment_restarts_if_all_checkpoints_are_damaged(go, tmp_path):
    uninterrupted = go(tmp_path / "uninterrupted")
    stops = iter([False] * 6 + [True])
    go(tmp_path / "cut", stop_requested=lambda: next(stops))
    for path in checkpoint_paths(tmp_path / "cut"):
        path.write_bytes(b"nothing")
    result = go(tmp_path / "cut")
    assert_same(uninterrupted, result)
    assert result.notes[0].startswith("restarted")


def test_uncertain_segment_continues_with_another_committee(go, monitor, pair_committee, tmp_path):
    """The checkpoint is at the uncertain step, from which the next segment continues the trajectory."""
    free = go(tmp_path / "free", committee=pair_committee)
    later = free.uncertainty_eV_per_angstrom[1:]
    threshold = float(np.sort(later)[-2])
    strict = monitor.model_copy(update={"stop_force_std_eV_per_angstrom": threshold})
    result = go(tmp_path / "strict", monitor=strict)
    expected = int(free.evaluation_step[1:][later >= threshold][0])
    if free.uncertainty_eV_per_angstrom[0] >= threshold:
        expected = 0
    assert (result.stop_reason, result.stop_step) == ("uncertain", expected)
    end = read_checkpoint(result.final_checkpoint)
    assert end.step == expected
    assert go(tmp_path / "strict", monitor=strict).stop_reason == "uncertain"
    on = go(tmp_path / "on", start=end, n_steps=60 - expected, committee=pair_committee)
    assert on.stop_reason == "finished"
    assert (
        read_checkpoint(on.last_good_checkpoint).state_sha256()
        == read_checkpoint(free.last_good_checkpoint).state_sha256()
    )


def test_uncertain_start_stops_before_the_first_step(go, monitor, tmp_path):
    """The start is the only candidate."""
    strict = monitor.model_copy(update={"stop_force_std_eV_per_angstrom": 1e-4})
    result = go(tmp_path, monitor=strict)
    assert (result.stop_reason, result.stop_step, result.n_frames) == ("uncertain", 0, 1)
    assert [c.step for c in result.candidates] == [0]


@pytest.mark.parametrize("reason", ["not_finite", "runaway_temperature", "close_contact"])
def test_failing_potential_ends_the_segment_at_the_last_good_checkpoint(
    go, monitor, breaking, pulling, tmp_path, reason
):
    calculator = {"not_finite": breaking(np.nan), "runaway_temperature": breaking(1e6)}.get(reason, pulling())
    if reason == "close_contact":
        monitor = monitor.model_copy(update={"max_temperature_factor": 100.0, "grace_factor": 100.0})
    options = {"committee": CalculatorCommittee([calculator]), "monitor": monitor, "n_steps": 2000}
    result = go(tmp_path, **options)
    assert result.stop_reason == reason
    assert result.detail
    assert result.final_checkpoint is None
    last_good = read_checkpoint(result.last_good_checkpoint)
    assert last_good.step <= result.stop_step < last_good.step + 11
    assert np.isfinite(last_good.positions).all()
    with Trajectory(result.trajectory) as trajectory:
        assert trajectory.n_frames == last_good.n_frames == result.n_frames
        assert trajectory.step[-1] <= last_good.step
    again = go(tmp_path, **options)
    assert (again.stop_reason, again.stop_step) == (reason, result.stop_step)


def test_failing_member_of_the_committee_is_detected(go, breaking, tmp_path):
    """The member that drives the dynamics works."""
    result = go(tmp_path, committee=CalculatorCommittee([breaking(1.0), breaking(np.nan)]), n_steps=500)
    assert result.stop_reason == "not_finite"
    assert "member" in result.detail


def test_invalid_starts_raise(go, argon, breaking, tmp_path):
    """Overlap, forces that are not finite, constraints, missing seed, no steps, one atom."""
    overlapping = argon.copy()
    overlapping.positions[1] = overlapping.positions[0] + [0.8, 0.0, 0.0]
    with pytest.raises(DynamicsError, match=r"Ar0-Ar1 at 0\.80 Å.*relax"):
        go(tmp_path / "a", start=overlapping)
    with pytest.raises(DynamicsError, match="not finite"):
        go(tmp_path / "b", committee=CalculatorCommittee([breaking(np.nan, -1.0)]))
    constrained = argon.copy()
    constrained.set_constraint(FixAtoms([0]))
    with pytest.raises(DynamicsError, match="FixAtoms"):
        go(tmp_path / "c", start=constrained)
    with pytest.raises(DynamicsError, match="seed"):
        go(tmp_path / "d", seed=None)
    with pytest.raises(DynamicsError, match="at least 1"):
        go(tmp_path / "e", n_steps=0)
    with pytest.raises(DynamicsError, match="at least two atoms"):
        go(tmp_path / "f", start=argon[:1])


def test_folder_of_another_segment_raises(go, tmp_path):
    """Another seed is another segment; the folder does not change."""
    first = go(tmp_path)
    with pytest.raises(InputError, match="belongs to another segment"):
        go(tmp_path, seed=8)
    assert_same(first, go(tmp_path))


def test_folder_in_use_raises(go, tmp_path: Path):
    with exclusive_folder(tmp_path, "segment.lock"), pytest.raises(LockedError, match="wait for it"):
        go(tmp_path)


def test_replicas_differ_by_seed(go, tmp_path):
    ends = [read_checkpoint(go(tmp_path / str(seed), n_steps=5, seed=seed).last_good_checkpoint) for seed in (1, 2)]
    assert not np.allclose(ends[0].positions, ends[1].positions)
