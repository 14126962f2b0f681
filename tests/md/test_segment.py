"""Segments: how they end, what they leave, how they go on."""

from pathlib import Path

import numpy as np
import pytest
from ase.constraints import FixAtoms

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import DynamicsError, LockedError
from interphase_flows.md.checkpoint import checkpoint_paths, read_checkpoint
from interphase_flows.md.segment import SegmentResult
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee
from interphase_flows.runtime.file_locks import exclusive_folder


def assert_same(one: SegmentResult, other: SegmentResult) -> None:
    """Equal to the last bit: state, random stream, frames, observations, candidates."""
    a, b = read_checkpoint(one.last_good_checkpoint), read_checkpoint(other.last_good_checkpoint)
    assert a.state_sha256() == b.state_sha256()
    assert one.trajectory.read_bytes() == other.trajectory.read_bytes()
    assert one.watch_step.tolist() == other.watch_step.tolist()
    np.testing.assert_array_equal(one.uncertainty_eV_per_angstrom, other.uncertainty_eV_per_angstrom)
    assert [c.step for c in one.candidates] == [c.step for c in other.candidates]
    for mine, theirs in zip(one.candidates, other.candidates, strict=True):
        np.testing.assert_array_equal(mine.atoms.positions, theirs.atoms.positions)


def test_a_finished_segment_says_what_it_did(go, tmp_path):
    """Steps, frames, checkpoint, temperature and candidates are all there."""
    seen: list[tuple[int, int]] = []
    result = go(tmp_path, on_progress=lambda step, n_steps, info: seen.append((step, n_steps)))
    assert result.stop_reason == "finished"
    assert (result.first_step, result.stop_step, result.n_steps_done, result.atom_steps) == (0, 60, 60, 1920)
    assert result.final_checkpoint == result.last_good_checkpoint
    assert result.n_frames == 21
    assert seen == [(step, 60) for step in range(5, 61, 5)]
    assert result.watch_step.tolist() == list(range(0, 61, 5))
    assert 10 < result.mean_temperature_K < 60
    with Trajectory(result.trajectory) as trajectory:
        assert trajectory.step.tolist() == list(range(0, 61, 3))
        assert trajectory.side is not None
        assert trajectory.side[-1] == "electrolyte"
        end = read_checkpoint(result.last_good_checkpoint)
        np.testing.assert_allclose(trajectory.positions(-1), end.positions, atol=1e-6)
        assert np.isfinite(trajectory.uncertainty_eV_per_angstrom[::5]).all()
        assert np.isnan(trajectory.uncertainty_eV_per_angstrom[1])


def test_candidates_are_the_most_uncertain_one_per_window(go, tmp_path):
    """At most three, each the worst of its window of 15 steps."""
    result = go(tmp_path)
    assert len(result.candidates) == 3
    by_step = dict(zip(result.watch_step.tolist(), result.uncertainty_eV_per_angstrom, strict=True))
    worst = {}
    for step, value in by_step.items():
        worst[step // 15] = max(worst.get(step // 15, 0.0), value)
    expected = sorted(worst.values())[-3:]
    assert sorted(c.uncertainty_eV_per_angstrom for c in result.candidates) == pytest.approx(expected)
    candidate = result.candidates[0]
    std = candidate.atoms.arrays["force_std_eV_per_angstrom"]
    assert std.max() == by_step[candidate.step]
    assert candidate.atoms.arrays["side"][0] == "electrode"


def test_the_walltime_cuts_and_the_same_call_goes_on(go, tmp_path):
    """Stopped at steps 15 and 35, the segment ends as if never stopped."""
    whole = go(tmp_path / "whole")
    for _ in range(2):
        asked = iter([False, False, True])
        cut = go(tmp_path / "cut", stop_requested=lambda asked=asked: next(asked))
        assert cut.stop_reason == "walltime"
        assert cut.trajectory.is_dir()
    assert cut.stop_step == 30
    assert_same(whole, go(tmp_path / "cut"))


def test_a_finished_segment_run_again_returns_at_once(go, tmp_path):
    """Nothing is computed: a committee that would fail is not asked."""
    first = go(tmp_path)
    again = go(tmp_path, committee=None)
    assert_same(first, again)


def test_two_segments_are_one_long_one(go, tmp_path):
    """Sixty steps are 25 and 35, momenta, random numbers and frames included."""
    whole = go(tmp_path / "whole")
    first = go(tmp_path / "first", n_steps=25)
    middle = read_checkpoint(first.last_good_checkpoint)
    second = go(tmp_path / "second", n_steps=35, start=middle, seed=None)
    assert (second.first_step, second.stop_step) == (25, 60)
    a, b = read_checkpoint(whole.last_good_checkpoint), read_checkpoint(second.last_good_checkpoint)
    assert a.state_sha256() == b.state_sha256()
    with (
        Trajectory(whole.trajectory) as one,
        Trajectory(first.trajectory) as two,
        Trajectory(second.trajectory) as three,
    ):
        assert one.step.tolist() == [*two.step, *three.step]
        assert one.time_fs.tolist() == [*two.time_fs, *three.time_fs]
        assert one.potential_energy_eV.tolist() == [*two.potential_energy_eV, *three.potential_energy_eV]
        np.testing.assert_allclose(one.positions(-1), three.positions(-1), atol=1e-6)
    series = [*first.uncertainty_eV_per_angstrom, *second.uncertainty_eV_per_angstrom]
    assert whole.uncertainty_eV_per_angstrom.tolist() == series


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(go, tmp_path, damage):
    """The result is the same, and a note says what happened."""
    whole = go(tmp_path / "whole")
    asked = iter([False] * 6 + [True])
    go(tmp_path / "cut", stop_requested=lambda: next(asked))
    newest, before = checkpoint_paths(tmp_path / "cut")
    content = newest.read_bytes()
    # of the positions: a byte of a date in the archive may be any
    at = content.index(read_checkpoint(newest).positions.tobytes())
    newest.write_bytes(
        {
            "flipped": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
            "cut": content[: len(content) // 2],
        }.get(damage, b"")
    )
    result = go(tmp_path / "cut")
    assert_same(whole, result)
    assert len(result.notes) == 1
    assert newest.name in result.notes[0]
    assert before.exists() or result.stop_step == 60


def test_when_nothing_is_whole_the_segment_starts_over(go, tmp_path):
    """A segment is determined by its start, so its folder is never a dead end."""
    whole = go(tmp_path / "whole")
    asked = iter([False] * 6 + [True])
    go(tmp_path / "cut", stop_requested=lambda: next(asked))
    for path in checkpoint_paths(tmp_path / "cut"):
        path.write_bytes(b"nothing")
    result = go(tmp_path / "cut")
    assert_same(whole, result)
    assert result.notes[0].startswith("started over")


def test_uncertain_stops_at_the_frame_and_goes_on_with_another_committee(go, watch, pair_committee, tmp_path):
    """The checkpoint is at the very step; the next segment takes up the same trajectory."""
    free = go(tmp_path / "free", committee=pair_committee)
    later = free.uncertainty_eV_per_angstrom[1:]
    threshold = float(np.sort(later)[-2])
    strict = watch.model_copy(update={"stop_force_std_eV_per_angstrom": threshold})
    result = go(tmp_path / "strict", watch=strict)
    expected = int(free.watch_step[1:][later >= threshold][0])
    if free.uncertainty_eV_per_angstrom[0] >= threshold:
        expected = 0
    assert (result.stop_reason, result.stop_step) == ("uncertain", expected)
    end = read_checkpoint(result.final_checkpoint)
    assert end.step == expected
    assert go(tmp_path / "strict", watch=strict).stop_reason == "uncertain"
    on = go(tmp_path / "on", start=end, n_steps=60 - expected, committee=pair_committee)
    assert on.stop_reason == "finished"
    assert (
        read_checkpoint(on.last_good_checkpoint).state_sha256()
        == read_checkpoint(free.last_good_checkpoint).state_sha256()
    )


def test_a_start_already_uncertain_stops_before_the_first_step(go, watch, tmp_path):
    """No dynamics is spent on it, and it is the candidate."""
    strict = watch.model_copy(update={"stop_force_std_eV_per_angstrom": 1e-4})
    result = go(tmp_path, watch=strict)
    assert (result.stop_reason, result.stop_step, result.n_frames) == ("uncertain", 0, 1)
    assert [c.step for c in result.candidates] == [0]


@pytest.mark.parametrize("reason", ["not_finite", "runaway_temperature", "close_contact"])
def test_a_broken_potential_ends_the_segment_at_its_last_good_checkpoint(
    go, watch, breaking, pulling, tmp_path, reason
):
    """What a broken step left is not continued from, and its frames are gone."""
    calculator = {"not_finite": breaking(np.nan), "runaway_temperature": breaking(1e6)}.get(reason, pulling())
    if reason == "close_contact":
        watch = watch.model_copy(update={"max_temperature_factor": 100.0, "grace_factor": 100.0})
    options = {"committee": CalculatorCommittee([calculator]), "watch": watch, "n_steps": 2000}
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


def test_a_broken_member_that_only_watches_is_noticed(go, breaking, tmp_path):
    """The dynamics is fine; the committee is not."""
    result = go(tmp_path, committee=CalculatorCommittee([breaking(1.0), breaking(np.nan)]), n_steps=500)
    assert result.stop_reason == "not_finite"
    assert "member" in result.detail


def test_a_start_that_cannot_be_run_is_refused_in_words(go, argon, breaking, tmp_path):
    """Overlap, broken forces, constraints, no seed: each says what to mend."""
    overlapping = argon.copy()
    overlapping.positions[1] = overlapping.positions[0] + [0.8, 0.0, 0.0]
    with pytest.raises(DynamicsError, match=r"Ar0-Ar1 at 0\.80 Å.*Relax"):
        go(tmp_path / "a", start=overlapping)
    with pytest.raises(DynamicsError, match="not finite"):
        go(tmp_path / "b", committee=CalculatorCommittee([breaking(np.nan, -1.0)]))
    held = argon.copy()
    held.set_constraint(FixAtoms([0]))
    with pytest.raises(DynamicsError, match="FixAtoms"):
        go(tmp_path / "c", start=held)
    with pytest.raises(DynamicsError, match="seed"):
        go(tmp_path / "d", seed=None)
    with pytest.raises(DynamicsError, match="at least 1"):
        go(tmp_path / "e", n_steps=0)
    with pytest.raises(DynamicsError, match="at least two atoms"):
        go(tmp_path / "f", start=argon[:1])


def test_a_folder_of_another_segment_is_refused(go, tmp_path):
    """Another seed is another segment; the folder is left as it was."""
    first = go(tmp_path)
    with pytest.raises(DynamicsError, match="holds another segment"):
        go(tmp_path, seed=8)
    assert_same(first, go(tmp_path))


def test_a_second_process_is_refused(go, tmp_path: Path):
    """The folder is locked while a segment runs in it."""
    with exclusive_folder(tmp_path, "segment.lock"), pytest.raises(LockedError, match="wait for it"):
        go(tmp_path)


def test_replicas_differ_by_seed(go, tmp_path):
    """Same start, other momenta and random forces."""
    ends = [
        read_checkpoint(go(tmp_path / str(seed), n_steps=5, seed=seed).last_good_checkpoint)
        for seed in (1, 2)
    ]
    assert not np.allclose(ends[0].positions, ends[1].positions)
