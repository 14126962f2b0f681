"""Map a function over frames with threads, with results in the order of the frames.

The calling thread reads the frames sequentially, because trajectories are not thread-safe. Threads help as far as the
function spends its time in numpy and scipy, which release the interpreter lock.
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
    """Return the number of processors available to this process, which a batch job may limit."""
    return len(os.sched_getaffinity(0))


def by_frame(
    frames: FrameSource,
    chosen: Iterable[int],
    reduce: Callable[[NDArray[np.floating], NDArray[np.floating]], T],
    *,
    n_threads: int | None = None,
) -> Iterator[T]:
    """Reduce frames in parallel, with at most two frames per thread in memory.

    Parameters
    ----------
    frames
        The trajectory.
    chosen
        Indices of the frames.
    reduce
        Function of positions in Å (n_atoms, 3) and cell in Å (3, 3); must not modify shared data.
    n_threads
        Number of threads; by default all processors available to this process.

    Raises
    ------
    Exception
        Any error of the trajectory or the function, raised when the result of that frame is taken.
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
