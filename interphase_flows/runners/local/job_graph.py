"""Unfinished jobs of a flow and what they wait for; the graph grows by the flows that jobs return."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from interphase_flows.jobs.compile import CompileMaker

if TYPE_CHECKING:
    from jobflow import Flow, Job


LENGTH_OF_MAKER: Mapping[type, int] = {CompileMaker: 10}
"""Length of a job in a chain, which is 1 for others: a compilation takes more than a minute, beside the initial
structures and labels if it starts first, instead of a training if it starts last."""


class PendingJob(NamedTuple):
    """A job that has not started, and the uuids of the jobs that it depends on."""

    job: "Job"
    parents: Sequence[str]


class JobGraph:
    """Jobs that have not finished, in the order in which :func:`jobflow.run_locally` runs them.

    A job is ready when its parents are finished, and all jobs by which they were replaced or that they inserted before
    it (``Response.replace``, ``Response.detour``).
    """

    def __init__(self, flow: "Flow"):
        self.pending: list[PendingJob] = list(map(PendingJob._make, flow.iterflow()))
        self._running: dict[str, int] = defaultdict(int)
        self._created: dict[str, set[str]] = {}
        self._heights: dict[int, int] = {}
        self._measure()

    def next_ready(self, longest_chain_first: bool) -> PendingJob | None:
        """Remove and return a ready job, or None; :meth:`finish` must follow.

        With ``longest_chain_first`` it is the one with the longest chain of jobs behind it (critical-path scheduling,
        T. C. Hu 1961), so that jobs that hold up the loop are not queued behind jobs for which nothing waits.
        """
        unfinished = {entry.job.uuid for entry in self.pending} | {uuid for uuid, n in self._running.items() if n}
        ready = [entry for entry in self.pending if not any(self._is_open(p, unfinished) for p in entry.parents)]
        if not ready:
            return None
        entry = max(ready, key=self._height) if longest_chain_first else ready[0]
        # by identity: jobs compare by content, which is slow
        self.pending = [each for each in self.pending if each is not entry]
        self._running[entry.job.uuid] += 1
        return entry

    def restore(self, entry: PendingJob) -> None:
        """Return a job that must run again to the pending ones."""
        self._running[entry.job.uuid] -= 1
        self.pending.insert(0, entry)

    def finish(
        self, entry: PendingJob, before_children: "Sequence[Flow]" = (), additions: "Sequence[Flow]" = ()
    ) -> None:
        """Remove a job that has ended, and add the jobs that it has created; its children wait for some of them."""
        uuid = entry.job.uuid
        self._running[uuid] -= 1
        if not before_children and not additions:
            return
        awaited = [PendingJob._make(each) for flow in before_children for each in flow.iterflow()]
        others = [PendingJob._make(each) for flow in additions for each in flow.iterflow()]
        self._created.setdefault(uuid, set()).update({each.job.uuid for each in awaited} - {uuid})
        self.pending = [*awaited, *others, *self.pending]
        self._measure()

    def _is_open(self, uuid: str, unfinished: set[str]) -> bool:
        """Return whether a job, or a job that it has created before its children, is unfinished."""
        return uuid in unfinished or any(self._is_open(each, unfinished) for each in self._created.get(uuid, ()))

    def _measure(self) -> None:
        """Compute the length of the chain of pending jobs that begins with each job."""
        children: dict[str, list[PendingJob]] = defaultdict(list)
        for entry in self.pending:
            for parent in entry.parents:
                children[parent].append(entry)
        self._heights = {}
        stack = list(self.pending)
        while stack:  # depth first, without recursion: a production run may be a chain of a thousand segments
            entry = stack[-1]
            following = children[entry.job.uuid]
            missing = [each for each in following if id(each.job) not in self._heights]
            if missing:
                stack += missing
                continue
            stack.pop()
            length = LENGTH_OF_MAKER.get(type(entry.job.maker), 1)
            self._heights[id(entry.job)] = length + max((self._height(each) for each in following), default=0)

    def _height(self, entry: PendingJob) -> int:
        return self._heights[id(entry.job)]
