"""Temperature schedules: consecutive stages, such as melt and quench.

The step of a run determines its stage. A segment never spans two stages, so a stopped run continues at the same
temperature, and the segments of a run add up to its schedule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interphase_flows.exceptions import DynamicsError


@dataclass(frozen=True)
class Stage:
    """A stage of a schedule: at least one step at one temperature of the thermostat."""

    temperature_K: float
    n_steps: int


@dataclass(frozen=True)
class Leg:
    """Temperature and largest length, at least one step, of the next segment of a run."""

    temperature_K: float
    n_steps: int
    hottest_K: float
    """Highest temperature of the schedule so far: a quench starts as hot as its melt."""


def total_steps(stages: Sequence[Stage]) -> int:
    """Return the number of steps of a schedule."""
    return sum(stage.n_steps for stage in stages)


def next_leg(stages: Sequence[Stage], step: int, max_steps: int) -> Leg:
    """Return the next segment of a schedule, of at most `max_steps`, for a run that has completed some steps.

    Raises DynamicsError if the schedule is complete, or ``max_steps`` is below 1.
    """
    if max_steps < 1:
        raise DynamicsError(f"max_steps = {max_steps}: a segment needs at least one step")
    end = 0
    hottest_K = 0.0
    for stage in stages:
        end += stage.n_steps
        hottest_K = max(hottest_K, stage.temperature_K)
        if step < end:
            return Leg(stage.temperature_K, min(max_steps, end - step), hottest_K)
    raise DynamicsError(f"the schedule of {end} steps is complete at step {step}. Hint: start another run")


def undisturbed_legs(stages: Sequence[Stage], max_steps: int) -> Iterator[Leg]:
    """Yield the segments of consecutive runs of which none is stopped early; infinite."""
    step = 0
    while True:
        leg = next_leg(stages, step, max_steps)
        yield leg
        step = (step + leg.n_steps) % total_steps(stages)
