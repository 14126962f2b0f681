"""Jobs of no work; workers in other processes import them from here."""

from collections.abc import Sequence

from jobflow import job


def add_one(number: int) -> int:
    """Return the next number."""
    return number + 1


plus_one = job(add_one)


@job
def add_up(numbers: Sequence[int]) -> int:
    """Return a sum: a job that waits for many, as one that gathers labels."""
    return sum(numbers)
