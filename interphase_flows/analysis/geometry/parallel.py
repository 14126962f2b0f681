"""A function of every frame, on all processors of this process; answers come in the order of the frames.

Frames are read by the thread that asks, one after another, because a trajectory is not made to be read by two. Threads
help as far as the function spends its time in numpy and scipy, which let other threads run.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.geometry.frames import FrameSource

T = TypeVar("T")


def available_processors() -> int:
    """Return how many processors this process may use: fewer than the machine has in a job of a queue."""
    return len(os.sched_getaffinity(0))


def by_frame(
    frames: FrameSource,
    chosen: Iterable[int],
    reduce: Callable[[NDArray[np.floating], NDArray[np.floating]], T],
    *,
    n_threads: int | None = None,
) -> Iterator[T]:
    """Reduce frames one by one, never holding more of them than twice the threads.

    Parameters
    ----------
    frames
        The trajectory.
    chosen
        Which frames.
    reduce
        Takes positions in Å (n_atoms, 3) and the cell in Å (3, 3); must not change anything that is shared.
    n_threads
        All processors that this process may use by default.

    Raises
    ------
    Exception
        What the trajectory or the function raises, when the answer of that frame is asked for.
    """
    n_threads = available_processors() if n_threads is None else n_threads
    if n_threads < 2:
        yield from (reduce(frames.positions(frame), frames.cell(frame)) for frame in chosen)
        return
    remaining = iter(chosen)
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            while True:
                for frame in islice(remaining, 2 * n_threads - len(waiting)):
                    waiting.append(pool.submit(reduce, frames.positions(frame), frames.cell(frame)))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
