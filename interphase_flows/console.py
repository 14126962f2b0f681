"""How the command line shows work in progress."""

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

from interphase_flows.progress import listening

LINE_INTERVAL_S = 15.0


@contextmanager
def shown_progress(console: Console) -> Iterator[None]:
    """Show stages as bars on a terminal, and as lines elsewhere (a log, a pipe)."""
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
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, object] = {}

        def show(stage: str, done: int, total: int, detail: str) -> None:
            if stage == "iteration":
                progress.console.print(f"[bold]iteration {done}[/bold]: {detail}")
                return
            if stage not in tasks:
                # finished stages leave room for those to come
                for old in [name for name in tasks if progress.tasks and name != stage]:
                    progress.update(tasks.pop(old), visible=False)  # type: ignore[arg-type]
                tasks[stage] = progress.add_task(stage, total=total, detail=detail)
            progress.update(tasks[stage], completed=done, total=total, detail=detail)  # type: ignore[arg-type]

        with listening(show):
            yield


@contextmanager
def _lines() -> Iterator[None]:
    began, last, last_stage = time.monotonic(), 0.0, ""

    def show(stage: str, done: int, total: int, detail: str) -> None:
        nonlocal last, last_stage
        now = time.monotonic()
        if stage == last_stage and done < total and now - last < LINE_INTERVAL_S:
            return
        last, last_stage = now, stage
        text = f"iteration {done}: {detail}" if stage == "iteration" else f"{stage} {done}/{total} {detail}"
        sys.stderr.write(f"[{now - began:7.1f} s] {text}\n")
        sys.stderr.flush()

    with listening(show):
        yield
