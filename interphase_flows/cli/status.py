"""The command ``status``: where a campaign stands, once or again and again."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from interphase_flows.cli.application import Name, Root, app, named
from interphase_flows.exceptions import InputError, InterphaseError

if TYPE_CHECKING:
    from interphase_flows.commands.status import CampaignStatus
    from interphase_flows.costs.budget import LabelsToCome
    from interphase_flows.costs.throughput import Pace
    from interphase_flows.runners.fireworks.states import ClusterStatus

WATCH_INTERVAL_S = 15.0
"""Of a watch that says no other; Slurm's controller is asked as often."""

SHOWN_TROUBLES = 10


class _WatchCommand(TyperCommand):
    """A command whose ``--watch`` may stand without its seconds."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the seconds where there are none."""
        for place, argument in enumerate(args):
            if argument == "--watch" and not _is_number(args[place + 1 : place + 2]):
                args = [*args[: place + 1], str(WATCH_INTERVAL_S), *args[place + 1 :]]
                break
        return super().parse_args(ctx, args)


def _is_number(words: list[str]) -> bool:
    try:
        return bool(words) and float(words[0]) >= 0
    except ValueError:
        return False


@app.command(cls=_WatchCommand)
def status(
    name: Name = None,
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Everything, for a script.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch",
            min=1.0,
            metavar="[SECONDS]",
            help=f"Look again and again, every {WATCH_INTERVAL_S:.0f} s if no number follows; ends by Ctrl-C, or by "
            "itself when the campaign has ended.",
        ),
    ] = None,
) -> None:
    """Say what a campaign has done and is doing, how fast, and what needs a person.

    On a cluster: jobs by kind and state, those of the iteration at hand, jobs that were lost with Slurm's reason
    (TIMEOUT, OUT_OF_MEMORY, NODE_FAIL, ...), and failed ones with what to do about them.
    """
    from interphase_flows.commands.status import campaign_status

    settings, name = named(name, root)
    if watch is None:
        found = campaign_status(settings, name)
        if json:
            print(found.as_json())
            return
        show(Console(), told_status(found))
    elif json:
        raise InputError("--json is for a script, which asks again by itself: leave out --watch")
    else:
        watch_status(lambda: campaign_status(settings, name), watch)


def watch_status(look: "Callable[[], CampaignStatus]", every_s: float) -> None:
    """Show a status again and again, in place on a terminal, until the campaign has ended or by Ctrl-C.

    Once it has looked, a database that does not answer ends nothing: it is told, and asked again.
    """
    console = Console()
    parts: list[str | Table] = []
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                is_over = False
                try:
                    found = look()
                    parts, note = list(told_status(found)), _looked(every_s)
                    is_over = found.has_ended
                except InterphaseError as error:
                    if not parts:
                        raise
                    note = f"{error}; looking again in {every_s:g} s"
                if console.is_terminal:
                    live.update(Group(*map(_renderable, parts), Text(note, style="dim")), refresh=True)
                else:
                    show(console, iter([*parts, note]))
                    sys.stdout.flush()
                if is_over:
                    return
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def _looked(every_s: float) -> str:
    return f"{datetime.now():%H:%M:%S}, again every {every_s:g} s; Ctrl-C ends the watch, not the campaign"


def _renderable(part: str | Table) -> RenderableType:
    return Text(part) if isinstance(part, str) else part


def show(console: Console, parts: "Iterator[str | Table]") -> None:
    """Print sentences as they are, and tables."""
    for part in parts:
        if isinstance(part, str):
            print(part)
        else:
            console.print(part)


def told_status(found: "CampaignStatus") -> "Iterator[str | Table]":
    """Yield what is printed of a status: sentences and tables."""
    yield f"{found.name}: {found.status}{f' ({found.outcome})' if found.outcome else ''}, started {found.started_at}"
    if found.missing:
        yield f"missing: {', '.join(found.missing)}; the reasons: interphase query failures"
    if found.running:
        yield f"running: {found.running}"
        if found.progress:
            p = found.progress
            yield f"now: {p['stage']} {p['done']}/{p['total']} {p['detail']}, {p['jobs']} jobs done  ({p['at']})"
    if found.cluster:
        yield from _told_cluster(found.name, found.cluster)
    yield ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in found.documents.items())
    told = ", ".join(f"{n} {reason}" for reason, n in found.labels_rejected_by_reason.items())
    yield (
        f"{found.labels_rejected} labels rejected"
        f"{f' ({told}): see interphase query labels --rejected' if told else ''}, {found.failures} failures on record"
    )
    if found.labels_to_come:
        yield _told_to_come(found.labels_to_come)
    if found.pace:
        yield from _told_pace(found.pace)
    if found.iterations:
        table = Table("iteration", "labels", "forces meV/Å", "energy meV/atom", "decision", box=None)
        for line in found.iterations:
            table.add_row(
                str(line.index),
                str(line.n_labels),
                f"{line.force_mae_meV_per_angstrom:.0f}",
                f"{line.energy_mae_meV_per_atom:.1f}",
                line.decision,
            )
        yield table
        yield "errors: mean absolute, on interface frames that trained no member"
    if found.cluster and found.status in ("failed", "cancelled"):
        yield "go on with: interphase submit FILE (what is done is not done again)"
    elif found.status in ("interrupted", "failed", "walltime reached", "paused", "on hold"):
        yield f"go on with: interphase resume {found.name}"
    if found.report:
        yield f"report: {found.report}"


def _told_cluster(name: str, cluster: "ClusterStatus") -> "Iterator[str | Table]":
    from interphase_flows.runners.fireworks.states import told_allocations

    if cluster.hold:
        rest = f"; {cluster.n_running} jobs run to their end" if cluster.n_running else ""
        yield f"{cluster.hold.state} since {cluster.hold.since}: no job starts{rest}"
    states = next(iter(cluster.jobs.values()))
    if not any(row["cancelled"] for row in cluster.jobs.values()):
        states = {state: n for state, n in states.items() if state != "cancelled"}
    table = Table("jobs", *states, box=None)
    for kind, row in cluster.jobs.items():
        table.add_row(kind, *(str(row[state]) for state in states))
    yield table
    if cluster.iterations:
        index = max(cluster.iterations)
        yield f"of these in iteration {index}: {_told_kinds(cluster.iterations[index])}"
    if cluster.lost:
        table = Table("lost job", "FireWorks", "because of", "run again", "last time", box=None)
        for lost in cluster.lost[:SHOWN_TROUBLES]:
            reasons = ", ".join(
                reason if n == 1 else f"{reason} x {n}" for reason, n in Counter(lost.reasons).items()
            )
            table.add_row(
                f"{lost.name} ({lost.fw_id})", lost.state, reasons, str(lost.n_runs_again), Text(lost.told)
            )
        yield table
    yield from _more("lost jobs", len(cluster.lost))
    if cluster.needs_person:
        yield "jobs that need a person:"
    for job in cluster.needs_person[:SHOWN_TROUBLES]:
        waiting = f"{job.n_waiting} jobs wait for it" if job.n_waiting else "no job waits for it"
        yield f"  {job.name} (job {job.fw_id}, {job.kind}): {job.reason}: {job.explanation}; {waiting}; {job.mend}"
    yield from _more("failed jobs", len(cluster.needs_person))
    if cluster.needs_person:
        yield f"  the reasons in full: interphase query failures --campaign {name}"
    if cluster.tried_again:
        names = ", ".join(f"{job.name} ({job.reason})" for job in cluster.tried_again[:SHOWN_TROUBLES])
        yield f"{len(cluster.tried_again)} failed jobs are run again by interphase recover: {names}"
    if cluster.allocations is not None:
        yield f"allocations in Slurm's queue: {told_allocations(cluster.allocations)}"


def _more(what: str, n: int) -> Iterator[str]:
    if n > SHOWN_TROUBLES:
        yield f"  and {n - SHOWN_TROUBLES} more {what}: interphase status --json has all"


def _told_kinds(kinds: dict[str, dict[str, int]]) -> str:
    return "; ".join(
        f"{kind} " + ", ".join(f"{n} {state}" for state, n in row.items() if n) for kind, row in kinds.items()
    )


def _told_to_come(labels: "LabelsToCome") -> str:
    from interphase_flows.costs.model import told_duration

    basis = f"fitted to {labels.n_fitted} labels" if labels.n_fitted else "before any label is done"
    return (
        f"labels to come: {labels.n_chosen} chosen, at most {labels.n_at_most} more; about "
        f"{told_duration(labels.cost_s)} on one core, within a factor of {labels.cost_factor:.1f} ({basis})"
    )


def _told_pace(pace: "Pace") -> Iterator[str]:
    from interphase_flows.costs.model import told_duration

    window = told_duration(3600 * pace.window_h)
    if pace.labels_per_hour is None:
        yield f"pace: no label in the last {window}"
    else:
        yield f"pace: {pace.labels_per_hour:.3g} labels per hour ({pace.n_labels} in the last {window})"
    decision = (
        "unknown" if pace.next_decision_s is None else f"in about {told_duration(pace.next_decision_s)}"
    )
    yield f"next decision of the loop: {decision} ({pace.basis})"
