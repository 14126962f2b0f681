"""Schedules of temperatures: where a run is, and what its next segment does."""

from itertools import islice

import numpy as np
import pytest

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.schedule import Leg, Stage, next_leg, total_steps, undisturbed_legs
from interphase_flows.md.uncertainty_monitor import CommitteeWatch

MELT_AND_QUENCH = [Stage(1500.0, 50), Stage(300.0, 30)]


@pytest.mark.parametrize(
    ("step", "leg"),
    [
        (0, Leg(1500.0, 20, 1500.0)),
        (7, Leg(1500.0, 20, 1500.0)),  # stopped early: the stage goes on
        (40, Leg(1500.0, 10, 1500.0)),  # no segment spans two stages
        (49, Leg(1500.0, 1, 1500.0)),
        (50, Leg(300.0, 20, 1500.0)),
        (79, Leg(300.0, 1, 1500.0)),
    ],
)
def test_the_step_says_what_comes_next(step, leg):
    """Temperature, length, and the heat that may still be there."""
    assert next_leg(MELT_AND_QUENCH, step, 20) == leg


def test_the_hottest_bath_is_that_of_the_past():
    """A stage that is warmed up to has not been hot before."""
    assert next_leg([Stage(300.0, 5), Stage(900.0, 5), Stage(600.0, 5)], 2, 9).hottest_K == 300.0
    assert next_leg([Stage(300.0, 5), Stage(900.0, 5), Stage(600.0, 5)], 12, 9).hottest_K == 900.0


def test_after_the_end_there_is_nothing():
    """Nor is a segment without steps one."""
    assert total_steps(MELT_AND_QUENCH) == 80
    with pytest.raises(DynamicsError, match="schedule of 80 steps at step 80: begin another run"):
        next_leg(MELT_AND_QUENCH, 80, 20)
    with pytest.raises(DynamicsError, match="at least 1"):
        next_leg(MELT_AND_QUENCH, 0, 0)


def test_undisturbed_runs_follow_each_other():
    """Melt, quench, melt of the next."""
    legs = list(islice(undisturbed_legs(MELT_AND_QUENCH, 40), 5))
    assert [(leg.temperature_K, leg.n_steps) for leg in legs] == [
        (1500.0, 40),
        (1500.0, 10),
        (300.0, 30),
        (1500.0, 40),
        (1500.0, 10),
    ]


def follow(go, folder, max_steps, cut_after=None):
    """Run argon through a melt of 30 steps and a quench of 20; return the last result and the steps of segments."""
    stages, step, start, ends = [Stage(90.0, 30), Stage(20.0, 20)], 0, None, []
    while step < total_steps(stages):
        leg = next_leg(stages, step, max_steps)
        options = {"dynamics": LangevinNVT(temperature_K=leg.temperature_K, timestep_fs=2.0)}
        if start is not None:
            options |= {"start": start, "seed": None}
        if cut_after is not None:
            asked = iter([False] * cut_after + [True] * 99)
            go(
                folder / str(step),
                n_steps=leg.n_steps,
                stop_requested=lambda asked=asked: next(asked),
                **options,
            )
        result = go(folder / str(step), n_steps=leg.n_steps, **options)
        start = read_checkpoint(result.last_good_checkpoint)
        step = start.step
        ends.append(step)
    return result, ends


def test_a_schedule_in_pieces_is_the_schedule_to_the_last_bit(go, tmp_path):
    """However long segments may be, and whether the walltime cuts into each of them."""
    whole, ends = follow(go, tmp_path / "whole", 100)
    assert ends == [30, 50]
    pieces, ends = follow(go, tmp_path / "pieces", 12)
    assert ends == [12, 24, 30, 42, 50]
    cut, _ = follow(go, tmp_path / "cut", 100, cut_after=1)
    states = {read_checkpoint(each.last_good_checkpoint).state_sha256() for each in (whole, pieces, cut)}
    assert len(states) == 1


def test_a_quench_begins_hotter_than_its_own_bath_allows(go, argon, tmp_path):
    """Judged by the bath of the quench it would have run away at once; judged by the melt's it goes on."""
    stages = [Stage(90.0, 200), Stage(10.0, 50)]
    melted = go(
        tmp_path / "melt", n_steps=200, dynamics=LangevinNVT(temperature_K=90.0, friction_per_ps=50.0)
    )
    start = read_checkpoint(melted.last_good_checkpoint)
    leg = next_leg(stages, start.step, 50)
    reasons = []
    for factor in (3.0, 3.0 * leg.hottest_K / leg.temperature_K):
        watch = CommitteeWatch(interval_steps=5, max_temperature_factor=factor, grace_fs=0.0)
        cold = LangevinNVT(temperature_K=leg.temperature_K, friction_per_ps=50.0)
        folder = tmp_path / f"quench {factor}"
        reasons.append(go(folder, n_steps=50, start=start, seed=None, dynamics=cold, watch=watch).stop_reason)
    assert reasons == ["runaway_temperature", "finished"]


def test_grace_never_allows_less():
    """A factor above that of the grace holds in the grace, too."""
    watch = CommitteeWatch(max_temperature_factor=15.0, grace_factor=10.0, grace_fs=200.0)
    assert watch.temperature_limit_K(300.0, 100.0) == watch.temperature_limit_K(300.0, 300.0) == 4500.0
    usual = CommitteeWatch()
    np.testing.assert_allclose([usual.temperature_limit_K(300.0, t) for t in (100.0, 300.0)], [3000.0, 900.0])
