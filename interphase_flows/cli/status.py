"""The command `status`: print the state of a campaign once, or refresh it periodically."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from interphase_flows.cli.application import (
    RESULTS_PANEL,
    CampaignOption,
    Name,
    PlainConsole,
    Root,
    app,
    named,
    write_line,
)
from interphase_flows.exceptions import InputError, InterphaseError
from interphase_flows.printable import printable_lines

if TYPE_CHECKING:
    from interphase_flows.commands.status import CampaignStatus
    from interphase_flows.costs.budget import RemainingLabels
    from interphase_flows.costs.throughput import Pace
    from interphase_flows.costs.time_left import TimeLeft
    from interphase_flows.runners.campaign_records import WorkerProgress
    from interphase_flows.runners.fireworks.states import ClusterStatus

WATCH_INTERVAL_S = 15.0
"""Default of ``--watch``; Slurm's controller is queried as often."""

MAX_LISTED_JOBS = 10
MAX_LISTED_STAGES = 4
MAX_LISTED_FAILURES = 5


class _WatchCommand(TyperCommand):
    """A command whose option ``--watch`` has an optional value."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Insert the default interval after a bare ``--watch``."""
        for index, argument in enumerate(args, start=1):
            if argument == "--watch" and not _is_number(args[index : index + 1]):
                args = [*args[:index], str(WATCH_INTERVAL_S), *args[index:]]
                break
        return super().parse_args(ctx, args)


def _is_number(arguments: list[str]) -> bool:
    try:
        return bool(arguments) and float(arguments[0]) >= 0
    except ValueError:
        return False


@app.command(cls=_WatchCommand, rich_help_panel=RESULTS_PANEL)
def status(
    name: Name = None,
    campaign: CampaignOption = None,
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print the complete status as JSON.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch",
            min=1.0,
            metavar="[SECONDS]",
            help=f"Refresh every SECONDS (default {WATCH_INTERVAL_S:.0f}) until the campaign has ended or Ctrl-C is "
            "pressed.",
        ),
    ] = None,
) -> None:
    """Print the progress and pace of a campaign, and the jobs that need the user's attention.

    On a cluster: jobs by kind and state, jobs of the current iteration, lost jobs with Slurm's reason
    (TIMEOUT, OUT_OF_MEMORY, NODE_FAIL, ...), and failed jobs with hints.
    """
    from interphase_flows.commands.status import campaign_status

    settings, name = named(name, root, campaign)
    if watch is not None and json:
        raise InputError("--json cannot be combined with --watch. Hint: leave out --watch and repeat the command")
    if watch is not None:
        watch_status(lambda: campaign_status(settings, name), watch)
    elif json:
        write_line(campaign_status(settings, name).as_json())
    else:
        show(PlainConsole(), status_parts(campaign_status(settings, name)))


def watch_status(read_status: "Callable[[], CampaignStatus]", every_s: float) -> None:
    """Refresh a status, in place on a terminal, until the campaign has ended or Ctrl-C is pressed.

    After a first success, errors such as an unreachable database are shown, and the status is read again.
    """
    console = PlainConsole()
    parts: list[str | Table] = []
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                is_over = False
                try:
                    current = read_status()
                    parts = list(status_parts(current))
                    note = f"{datetime.now():%H:%M:%S}, refreshed every {every_s:g} s; Ctrl-C ends the display only"
                    is_over = current.has_ended
                except InterphaseError as error:
                    if not parts:
                        raise
                    note = f"{error}; retrying in {every_s:g} s"
                if console.is_terminal:
                    live.update(Group(*map(_renderable, parts), Text(printable_lines(note), style="dim")), refresh=True)
                else:
                    show(console, iter([*parts, note]))
                    sys.stdout.flush()
                if is_over:
                    return
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def _renderable(part: str | Table) -> RenderableType:
    return Text(printable_lines(part)) if isinstance(part, str) else part


def show(console: PlainConsole, parts: "Iterator[str | Table]") -> None:
    """Print lines unchanged, and tables by rich."""
    for part in parts:
        if isinstance(part, str):
            write_line(part)
        else:
            console.print(part)


def _worker_line(worker: "WorkerProgress") -> str:
    if not worker["job"]:
        return "idle"
    stage = f": {worker['stage']} {worker['done']}/{worker['total']} {worker['detail']}" if worker["stage"] else ""
    return worker["job"] + stage


def status_parts(status: "CampaignStatus") -> "Iterator[str | Table]":
    """Yield a status as lines and tables."""
    outcome = f" ({status.outcome.replace('_', ' ')})" if status.outcome else ""
    yield f"{status.name}: {status.status}{outcome}, started {status.started_at}"
    if status.missing:
        reasons = f"interphase query failures --campaign {status.name}"
        yield f"missing: {', '.join(status.missing)}. Hint: for the reasons, {reasons}"
    if status.running:
        yield f"running: {status.running}"
        if status.progress:
            p = status.progress
            workers = p.get("workers", {})
            stage = "" if workers else f"{p['stage']} {p['done']}/{p['total']} {p['detail']}, "
            yield f"now: {stage}{p['jobs']} jobs done ({p['at']})"
            for number, worker in workers.items():
                yield f"worker {number}: {_worker_line(worker)}"
    if status.cluster:
        yield from _cluster_parts(status.name, status.cluster)
    yield ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in status.documents.items() if n) or "no results yet"
    if status.labels_shared:
        yield f"{status.labels_shared} of these labels were computed by other campaigns"
    reasons = ", ".join(f"{n} {reason}" for reason, n in status.labels_rejected_by_reason.items())
    details = f" ({reasons}; interphase query labels --rejected --campaign {status.name})" if reasons else ""
    yield f"{status.labels_rejected} labels rejected{details}, {status.failures} failures recorded"
    yield from (f"  {group.summary}" for group in status.failure_groups[:MAX_LISTED_FAILURES])
    yield from _more("kinds of failures", len(status.failure_groups), MAX_LISTED_FAILURES)
    yield from (f"note: {note}" for note in status.notes)
    if status.remaining_labels:
        yield _remaining_labels_line(status.remaining_labels)
    if status.pace:
        yield from _pace_lines(status.pace)
    if status.time_left:
        yield _time_left_line(status.time_left, on_cluster=status.cluster is not None)
    if status.iterations:
        table = Table("iteration", "labels", "force MAE (meV/Å)", "energy MAE (meV/atom)", "decision", box=None)
        for line in status.iterations:
            table.add_row(
                str(line.index),
                str(line.n_labels),
                f"{line.force_mae_meV_per_angstrom:.0f}",
                f"{line.energy_mae_meV_per_atom:.1f}",
                line.decision,
            )
        yield table
        yield "errors on the held-out interface frames of each iteration; the report compares all on those of the last"
    if status.cluster and status.status in ("failed", "cancelled"):
        yield "continue with: interphase submit FILE (finished work is reused)"
    elif status.status in ("interrupted", "failed", "walltime reached", "paused", "on hold"):
        yield f"continue with: interphase resume {status.name}"
    if status.report:
        yield f"report: {status.report}"


def _cluster_parts(name: str, cluster: "ClusterStatus") -> "Iterator[str | Table]":
    from interphase_flows.runners.fireworks.states import summarise_allocations

    if cluster.hold:
        running = f"; {cluster.n_running} running jobs finish" if cluster.n_running else ""
        yield f"{cluster.hold.state} since {cluster.hold.since}: no job starts{running}"
        if cluster.hold.reason:
            yield f"reason: an error of the settings, which further jobs would meet as well: {cluster.hold.reason}"
    states = next(iter(cluster.jobs.values()))
    if not any(row["cancelled"] for row in cluster.jobs.values()):
        states = {state: n for state, n in states.items() if state != "cancelled"}
    table = Table("jobs", *states, box=None)
    for kind, row in cluster.jobs.items():
        table.add_row(kind, *(str(row[state]) for state in states))
    yield table
    if cluster.iterations:
        index = max(cluster.iterations)
        yield f"of these in iteration {index}: {_job_counts(cluster.iterations[index])}"
    if cluster.lost:
        table = Table("lost job", "FireWorks state", "reason", "reruns", "last loss", box=None)
        for lost in cluster.lost[:MAX_LISTED_JOBS]:
            reasons = ", ".join(reason if n == 1 else f"{reason} x {n}" for reason, n in Counter(lost.reasons).items())
            table.add_row(f"{lost.name} ({lost.fw_id})", lost.state, reasons, str(lost.n_reruns), lost.message)
        yield table
    yield from _more("lost jobs", len(cluster.lost))
    if cluster.needs_attention:
        yield "jobs that need attention:"
    for job in cluster.needs_attention[:MAX_LISTED_JOBS]:
        waiting = f"{job.n_waiting} jobs wait for it" if job.n_waiting else "no job waits for it"
        yield f"  {job.name} (job {job.fw_id}, {job.kind}): {job.reason}: {job.explanation}; {waiting}; {job.hint}"
    yield from _more("failed jobs", len(cluster.needs_attention))
    if cluster.needs_attention:
        yield f"  full reasons: interphase query failures --campaign {name}"
    if cluster.will_be_retried:
        names = ", ".join(f"{job.name} ({job.reason})" for job in cluster.will_be_retried[:MAX_LISTED_JOBS])
        yield f"{len(cluster.will_be_retried)} failed jobs will be rerun by interphase recover: {names}"
    for held in cluster.held_by_lpad:
        names = ", ".join(held.jobs[:MAX_LISTED_JOBS]) + (", ..." if len(held.jobs) > MAX_LISTED_JOBS else "")
        yield (
            f"{'job' if len(held.jobs) == 1 else 'jobs'} {held.state} by lpad: {names}; the campaign cannot end without "
            f"a release: {held.release}"
        )
    if cluster.queue_error is not None:
        yield f"allocations in Slurm's queue: unknown: {cluster.queue_error}"
    if cluster.allocations is not None:
        yield f"allocations in Slurm's queue: {summarise_allocations(cluster.allocations)}"


def _more(what: str, n: int, n_listed: int = MAX_LISTED_JOBS) -> Iterator[str]:
    if n > n_listed:
        yield f"  and {n - n_listed} more {what}; all are listed by interphase status --json"


def _job_counts(kinds: dict[str, dict[str, int]]) -> str:
    return "; ".join(
        f"{kind} " + ", ".join(f"{n} {state}" for state, n in row.items() if n) for kind, row in kinds.items()
    )


def _remaining_labels_line(labels: "RemainingLabels") -> str:
    from interphase_flows.costs.model import format_duration

    basis = f"fitted to {labels.n_fitted} labels" if labels.n_fitted else "no label is computed yet"
    return (
        f"remaining labels: {labels.n_selected} selected, at most {labels.n_further} more; about "
        f"{format_duration(labels.cost_s)} on one core, within a factor of {labels.cost_factor:.1f} ({basis})"
    )


def _time_left_line(left: "TimeLeft", *, on_cluster: bool) -> str:
    from interphase_flows.costs.model import format_duration

    time = format_duration(left.cost_s if on_cluster else left.wall_s)
    with_workers = "of one core" if on_cluster else f"with {left.n_workers} worker{'' if left.n_workers == 1 else 's'}"
    longest = sorted(left.stages, key=lambda stage: -stage.wall_s)[:MAX_LISTED_STAGES]
    stages = ", ".join(f"{stage.stage} {format_duration(stage.wall_s)}" for stage in longest)
    basis = (
        "measured speed" if left.is_measured else "built-in speeds; interphase run FILE --dry-run measures this machine"
    )
    return f"time left: at most about {time} {with_workers}{f' ({stages})' if stages else ''}; {basis}"


def _pace_lines(pace: "Pace") -> Iterator[str]:
    from interphase_flows.costs.model import format_duration

    window = format_duration(3600 * pace.window_h)
    if pace.labels_per_hour is None:
        yield f"pace: no label in the last {window}"
    else:
        yield f"pace: {pace.labels_per_hour:.3g} labels per hour ({pace.n_labels} in the last {window})"
    decision = "unknown" if pace.next_decision_s is None else f"in about {format_duration(pace.next_decision_s)}"
    yield f"next decision of the active-learning loop: {decision} ({pace.basis})"
