"""Temperature schedules: consecutive stages, such as melt and quench.

The step of a run determines its stage. A segment never spans two stages, so a stopped run continues at the same
temperature, and the segments of a run add up to its schedule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interphase_flows.exceptions import DynamicsError


@dataclass(frozen=True)
class Stage:
    """A stage of a schedule.

    Parameters
    ----------
    temperature_K
        Temperature of the thermostat.
    n_steps
        Length of the stage, at least 1.
    """

    temperature_K: float
    n_steps: int


@dataclass(frozen=True)
class Leg:
    """Temperature and length of the next segment of a run.

    Parameters
    ----------
    temperature_K
        Temperature of the thermostat.
    n_steps
        Largest number of steps, at least 1.
    hottest_K
        Highest temperature of the schedule so far: a quench starts as hot as its melt.
    """

    temperature_K: float
    n_steps: int
    hottest_K: float


def total_steps(stages: Sequence[Stage]) -> int:
    """Return the number of steps of a schedule."""
    return sum(stage.n_steps for stage in stages)


def next_leg(stages: Sequence[Stage], step: int, max_steps: int) -> Leg:
    """Return the next segment of a schedule.

    Parameters
    ----------
    stages
        Schedule.
    step
        Number of steps that the run has completed.
    max_steps
        Largest number of steps of a segment.

    Raises
    ------
    DynamicsError
        If the schedule is complete, or ``max_steps`` is below 1.
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
