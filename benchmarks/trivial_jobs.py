"""Trivial jobs, importable by workers in other processes."""

from collections.abc import Sequence

from jobflow import job


def add_one(number: int) -> int:
    """Return the next number."""
    return number + 1


plus_one = job(add_one)


@job
def add_up(numbers: Sequence[int]) -> int:
    """Return a sum: a job with many parents, like one that merges labels."""
    return sum(numbers)
