"""Temperature schedules and their segments."""

from itertools import islice

import numpy as np
import pytest

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNPT, LangevinNVT
from interphase_flows.md.schedule import Leg, Stage, next_leg, total_steps, undisturbed_legs
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.units import KB_EV_PER_K

MELT_AND_QUENCH = [Stage(1500.0, 50), Stage(300.0, 30)]


@pytest.mark.parametrize(
    ("step", "leg"),
    [
        (0, Leg(1500.0, 20, 1500.0)),
        (7, Leg(1500.0, 20, 1500.0)),  # stopped early: the stage continues
        (40, Leg(1500.0, 10, 1500.0)),  # no segment spans two stages
        (49, Leg(1500.0, 1, 1500.0)),
        (50, Leg(300.0, 20, 1500.0)),
        (79, Leg(300.0, 1, 1500.0)),
    ],
)
def test_next_leg_follows_from_the_step(step, leg):
    assert next_leg(MELT_AND_QUENCH, step, 20) == leg


def test_hottest_temperature_is_that_of_past_stages():
    assert next_leg([Stage(300.0, 5), Stage(900.0, 5), Stage(600.0, 5)], 2, 9).hottest_K == 300.0
    assert next_leg([Stage(300.0, 5), Stage(900.0, 5), Stage(600.0, 5)], 12, 9).hottest_K == 900.0


def test_complete_schedule_or_zero_steps_raise():
    assert total_steps(MELT_AND_QUENCH) == 80
    with pytest.raises(DynamicsError, match="schedule of 80 steps is complete at step 80"):
        next_leg(MELT_AND_QUENCH, 80, 20)
    with pytest.raises(DynamicsError, match="at least one step"):
        next_leg(MELT_AND_QUENCH, 0, 0)


def test_undisturbed_legs_repeat_the_schedule():
    legs = list(islice(undisturbed_legs(MELT_AND_QUENCH, 40), 5))
    assert [(leg.temperature_K, leg.n_steps) for leg in legs] == [
        (1500.0, 40),
        (1500.0, 10),
        (300.0, 30),
        (1500.0, 40),
        (1500.0, 10),
    ]


def follow(go, folder, max_steps, cut_after=None):
    """Run argon through 30 steps of melt and 20 of quench; return the last result and the ends of segments."""
    stages, step, start, ends = [Stage(90.0, 30), Stage(20.0, 20)], 0, None, []
    while step < total_steps(stages):
        leg = next_leg(stages, step, max_steps)
        options = {"dynamics": LangevinNVT(temperature_K=leg.temperature_K, timestep_fs=2.0)}
        if start is not None:
            options |= {"start": start, "seed": None}
        if cut_after is not None:
            stops = iter([False] * cut_after + [True] * 99)
            go(
                folder / str(step),
                n_steps=leg.n_steps,
                stop_requested=lambda stops=stops: next(stops),
                **options,
            )
        result = go(folder / str(step), n_steps=leg.n_steps, **options)
        start = read_checkpoint(result.last_good_checkpoint)
        step = start.step
        ends.append(step)
    return result, ends


def test_schedule_in_pieces_is_identical(go, tmp_path):
    """For any length of segments, and if the walltime interrupts each of them."""
    complete, ends = follow(go, tmp_path / "complete", 100)
    assert ends == [30, 50]
    pieces, ends = follow(go, tmp_path / "pieces", 12)
    assert ends == [12, 24, 30, 42, 50]
    cut, _ = follow(go, tmp_path / "cut", 100, cut_after=1)
    states = {read_checkpoint(each.last_good_checkpoint).state_sha256() for each in (complete, pieces, cut)}
    assert len(states) == 1


def test_quench_starts_above_its_own_temperature_limit(go, argon, tmp_path):
    """Relative to the quench temperature it would stop at once; relative to the melt temperature it continues."""
    stages = [Stage(90.0, 200), Stage(10.0, 50)]
    melted = go(tmp_path / "melt", n_steps=200, dynamics=LangevinNVT(temperature_K=90.0, friction_per_ps=50.0))
    start = read_checkpoint(melted.last_good_checkpoint)
    leg = next_leg(stages, start.step, 50)
    reasons = []
    for factor in (3.0, 3.0 * leg.hottest_K / leg.temperature_K):
        monitor = UncertaintyMonitor(interval_steps=5, max_temperature_factor=factor, grace_fs=0.0)
        cold = LangevinNVT(temperature_K=leg.temperature_K, friction_per_ps=50.0)
        folder = tmp_path / f"quench {factor}"
        reasons.append(go(folder, n_steps=50, start=start, seed=None, dynamics=cold, monitor=monitor).stop_reason)
    assert reasons == ["runaway_temperature", "finished"]


def test_grace_factor_never_lowers_the_limit():
    monitor = UncertaintyMonitor(max_temperature_factor=15.0, grace_factor=10.0, grace_fs=200.0)
    assert monitor.temperature_limit_K(300.0, 100.0) == monitor.temperature_limit_K(300.0, 300.0) == 4500.0
    usual = UncertaintyMonitor()
    np.testing.assert_allclose([usual.temperature_limit_K(300.0, t) for t in (100.0, 300.0)], [3000.0, 900.0])


RAMP = {"temperature_K": 20.0, "ramp_to_temperature_K": 60.0, "ramp_time_fs": 80.0, "timestep_fs": 2.0}


def test_bath_follows_a_linear_ramp_and_stays_at_its_end():
    ramp = LangevinNVT(**RAMP)
    assert [ramp.bath_K(time_fs) for time_fs in (0.0, 40.0, 80.0, 500.0)] == [20.0, 40.0, 60.0, 60.0]
    assert LangevinNVT(temperature_K=20.0).bath_K(500.0) == 20.0


def test_integrator_has_the_temperature_of_the_ramp(argon):
    ramp = LangevinNPT(**RAMP)
    argon.set_array("momenta", np.zeros((len(argon), 3)))
    integrator = ramp.integrator(argon, np.random.default_rng(1))
    ramp.set_bath(integrator, 40.0)
    assert integrator.temp == pytest.approx(40.0 * KB_EV_PER_K, rel=1e-5)
    assert integrator.barostat.thermal_energy_eV == pytest.approx(40.0 * KB_EV_PER_K)


@pytest.mark.parametrize("ensemble", [LangevinNVT, LangevinNPT])
def test_ramp_in_two_segments_equals_that_in_one(go, tmp_path, ensemble):
    """60 steps equal 25 + 35 to the last bit; the ramp ends at step 40."""
    options = {"dynamics": ensemble(**RAMP, friction_per_ps=50.0)}
    uninterrupted = go(tmp_path / "uninterrupted", **options)
    first = go(tmp_path / "first", n_steps=25, **options)
    middle = read_checkpoint(first.last_good_checkpoint)
    second = go(tmp_path / "second", n_steps=35, start=middle, seed=None, **options)
    states = {read_checkpoint(each.last_good_checkpoint).state_sha256() for each in (uninterrupted, second)}
    assert len(states) == 1
    constant = ensemble(temperature_K=20.0, timestep_fs=2.0, friction_per_ps=50.0)
    other = go(tmp_path / "constant", dynamics=constant)
    assert read_checkpoint(other.last_good_checkpoint).state_sha256() not in states


def test_ramp_heats_the_atoms(go, tmp_path):
    ramp = LangevinNVT(temperature_K=5.0, ramp_to_temperature_K=80.0, ramp_time_fs=400.0, friction_per_ps=50.0)
    temperatures_K = go(tmp_path, n_steps=800, dynamics=ramp).evaluation_temperature_K
    assert temperatures_K[:10].mean() < 30.0
    assert temperatures_K[80:].mean() == pytest.approx(80.0, rel=0.15)
