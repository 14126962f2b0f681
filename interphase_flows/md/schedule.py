"""A schedule of temperatures: stages one after the other, such as a melt and a quench.

The step of a run alone says where in its schedule it is. A segment stays within one stage, so a run that was stopped
early goes on at the temperature it was stopped at, and the segments of a run add up to its schedule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interphase_flows.exceptions import DynamicsError


@dataclass(frozen=True)
class Stage:
    """A part of a schedule.

    Parameters
    ----------
    temperature_K
        Of the heat bath.
    n_steps
        Length of the whole stage, at least 1.
    """

    temperature_K: float
    n_steps: int


@dataclass(frozen=True)
class Leg:
    """What the next segment of a run does.

    Parameters
    ----------
    temperature_K
        Of the heat bath.
    n_steps
        Largest number of steps, at least 1.
    hottest_K
        The hottest bath of the run so far: a quench begins with the heat of its melt.
    """

    temperature_K: float
    n_steps: int
    hottest_K: float


def total_steps(stages: Sequence[Stage]) -> int:
    """Return the length of a schedule."""
    return sum(stage.n_steps for stage in stages)


def next_leg(stages: Sequence[Stage], step: int, max_steps: int) -> Leg:
    """Return what comes next of a schedule.

    Parameters
    ----------
    stages
        The schedule.
    step
        Steps that the run has done.
    max_steps
        Largest number of steps of a segment.

    Raises
    ------
    DynamicsError
        If nothing of the schedule is left, or no step may be done.
    """
    if max_steps < 1:
        raise DynamicsError(f"A segment of {max_steps} steps gets nowhere: allow at least 1.")
    end = 0
    hottest_K = 0.0
    for stage in stages:
        end += stage.n_steps
        hottest_K = max(hottest_K, stage.temperature_K)
        if step < end:
            return Leg(stage.temperature_K, min(max_steps, end - step), hottest_K)
    raise DynamicsError(f"Nothing is left of a schedule of {end} steps at step {step}: begin another run.")


def undisturbed_legs(stages: Sequence[Stage], max_steps: int) -> Iterator[Leg]:
    """Yield what the segments of runs do that nothing stops early, one run after the other, without end."""
    step = 0
    while True:
        leg = next_leg(stages, step, max_steps)
        yield leg
        step = (step + leg.n_steps) % total_steps(stages)
