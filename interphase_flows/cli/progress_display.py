"""Progress display of the command line: bars on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from interphase_flows.printable import printable
from interphase_flows.runtime.progress import FAILED, JOB, JOBS, SCF, ProgressEvent, listening

LINE_INTERVAL_S = 15.0
ITERATION = "iteration"


@contextmanager
def shown_progress(console: Console) -> Iterator[None]:
    """Show the progress of stages as bars on a terminal, or as lines in a log or pipe."""
    if console.is_terminal:
        with _bars(console):
            yield
    else:
        with _lines():
            yield


def _printable(event: ProgressEvent) -> ProgressEvent:
    return event._replace(stage=printable(event.stage), detail=printable(event.detail))


def _failure_line(n_equal: int, detail: str) -> str:
    return f"failed: {detail}" if n_equal == 1 else f"failed, {n_equal} jobs in the same way: {detail}"


@contextmanager
def _bars(console: Console) -> Iterator[None]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=22)),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", style="dim", markup=False, table_column=Column(no_wrap=True, ratio=1)),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        campaign = progress.add_task("campaign", total=None, detail="")
        lines: dict[int, TaskID] = {}
        n_jobs, latest_iteration = 0, ""

        def show(event: ProgressEvent) -> None:
            nonlocal n_jobs, latest_iteration
            stage, done, total, detail, worker = _printable(event)
            if stage == SCF:
                return
            if stage == JOBS:
                n_jobs = done
            elif stage == FAILED:
                progress.console.print(_failure_line(done, detail), markup=False)
            elif stage == ITERATION:
                latest_iteration = f"iteration {done}: {detail}"
                progress.console.print(latest_iteration)
            else:
                if stage == JOB:
                    stage, detail = detail or "idle", ""
                if worker and 0 in lines:
                    progress.remove_task(lines.pop(0))  # the start, in this process
                if worker not in lines:
                    lines[worker] = progress.add_task("", total=None, detail="")
                name = f"{worker}: {stage}" if worker else stage
                progress.update(lines[worker], description=name, completed=done, total=total, detail=detail)
            progress.update(campaign, completed=n_jobs, detail=f"jobs done; {latest_iteration}".rstrip("; "))

        with listening(show):
            yield


@contextmanager
def _lines() -> Iterator[None]:
    began = time.monotonic()
    latest: dict[int, tuple[str, float]] = {}

    def show(event: ProgressEvent) -> None:
        stage, done, total, detail, worker = _printable(event)
        if stage in (JOBS, JOB, SCF):
            return
        now = time.monotonic()
        last_stage, last_s = latest.get(worker, ("", 0.0))
        if stage == FAILED:
            sys.stderr.write(f"[{now - began:7.1f} s] {_failure_line(done, detail)}\n")
            sys.stderr.flush()
            return
        if stage == last_stage and done < total and now - last_s < LINE_INTERVAL_S:
            return
        latest[worker] = stage, now
        text = f"iteration {done}: {detail}" if stage == ITERATION else f"{stage} {done}/{total} {detail}"
        prefix = f"worker {worker}: " if worker else ""
        sys.stderr.write(f"[{now - began:7.1f} s] {prefix}{text}\n")
        sys.stderr.flush()

    with listening(show):
        yield
