"""Temperature schedules: interrupted runs follow the complete schedule."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.md.schedule import Stage, next_leg, total_steps, undisturbed_legs

quick = settings(max_examples=60, deadline=None)

stages = st.lists(
    st.builds(Stage, temperature_K=st.floats(1.0, 5000.0), n_steps=st.integers(1, 60)), min_size=1, max_size=5
)
lengths = st.integers(1, 80)


def stage_at(schedule: list[Stage], step: int) -> Stage:
    """Return the stage of a step, by counting."""
    return [stage for stage in schedule for _ in range(stage.n_steps)][step]


@quick
@given(stages, lengths, st.lists(st.integers(0, 80), max_size=40))
def test_segments_add_up_to_the_schedule_wherever_they_stop(schedule, max_steps, stops):
    """A segment may stop at any step; all its steps have the temperature of the schedule."""
    total = total_steps(schedule)
    at_K: list[float] = []
    early = iter(stops)
    while len(at_K) < total:
        leg = next_leg(schedule, len(at_K), max_steps)
        assert 1 <= leg.n_steps <= max_steps
        at_K += [leg.temperature_K] * min(next(early, leg.n_steps), leg.n_steps)
    assert len(at_K) == total
    assert at_K == [stage_at(schedule, step).temperature_K for step in range(total)]


@quick
@given(stages, lengths, st.data())
def test_next_leg_depends_on_the_step_only(schedule, max_steps, data):
    """It is at most the rest of its stage."""
    step = data.draw(st.integers(0, total_steps(schedule) - 1))
    leg = next_leg(schedule, step, max_steps)
    assert leg.temperature_K == stage_at(schedule, step).temperature_K
    assert stage_at(schedule, step + leg.n_steps - 1) is stage_at(schedule, step)
    longest = next_leg(schedule, step, total_steps(schedule)).n_steps
    assert leg.n_steps == min(max_steps, longest)
    past_K = [stage_at(schedule, earlier).temperature_K for earlier in range(step + 1)]
    assert leg.hottest_K == max(past_K)


@quick
@given(stages, lengths, st.integers(1, 4))
def test_uninterrupted_runs_repeat_the_same_legs(schedule, max_steps, n_runs):
    n_legs = sum(-(-stage.n_steps // max_steps) for stage in schedule)
    legs = list(islice(undisturbed_legs(schedule, max_steps), n_runs * n_legs))
    assert sum(leg.n_steps for leg in legs) == n_runs * total_steps(schedule)
    assert legs == legs[:n_legs] * n_runs
