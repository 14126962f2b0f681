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
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from interphase_flows.runtime.progress import JOBS, SCF, listening

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


@contextmanager
def _bars(console: Console) -> Iterator[None]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=22)),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}", table_column=Column(no_wrap=True, ratio=1)),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        campaign = progress.add_task("campaign", total=None, detail="")
        stage_task = progress.add_task("", total=None, detail="", visible=False)
        n_jobs, latest_iteration = 0, ""

        def show(stage: str, done: int, total: int, detail: str) -> None:
            nonlocal n_jobs, latest_iteration
            if stage == SCF:
                return
            if stage == JOBS:
                n_jobs = done
            elif stage == ITERATION:
                latest_iteration = f"iteration {done}: {detail}"
                progress.console.print(latest_iteration)
            else:
                progress.update(stage_task, description=stage, completed=done, total=total, detail=detail, visible=True)
            progress.update(campaign, completed=n_jobs, detail=f"jobs done; {latest_iteration}".rstrip("; "))

        with listening(show):
            yield


@contextmanager
def _lines() -> Iterator[None]:
    began, last, last_stage = time.monotonic(), 0.0, ""

    def show(stage: str, done: int, total: int, detail: str) -> None:
        nonlocal last, last_stage
        if stage in (JOBS, SCF):
            return
        now = time.monotonic()
        if stage == last_stage and done < total and now - last < LINE_INTERVAL_S:
            return
        last, last_stage = now, stage
        text = f"iteration {done}: {detail}" if stage == ITERATION else f"{stage} {done}/{total} {detail}"
        sys.stderr.write(f"[{now - began:7.1f} s] {text}\n")
        sys.stderr.flush()

    with listening(show):
        yield
