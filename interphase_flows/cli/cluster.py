"""Commands that run campaigns on a cluster: submit, launch, recover, work, pause, cancel."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from interphase_flows.cli.application import (
    CLUSTER_PANEL,
    AcceptChanges,
    CampaignOption,
    Every,
    Name,
    PlainConsole,
    Root,
    app,
    named,
    settings_of,
    write_line,
)
from interphase_flows.exceptions import InterphaseError

if TYPE_CHECKING:
    from interphase_flows.settings import Settings


@app.command(rich_help_panel=CLUSTER_PANEL)
def submit(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML).")],
    root: Root = None,
    accept_changes: AcceptChanges = False,
    launch: Annotated[
        bool,
        typer.Option(help="Submit Slurm allocations for workers at once; --no-launch only adds the jobs to FireWorks."),
    ] = True,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Submit paused: no job starts before interphase resume NAME."),
    ] = False,
) -> None:
    """Submit a campaign to FireWorks, and allocations for its workers to Slurm.

    The campaign file is the same as for [bold]interphase run[/bold]; MongoDB and the workers are configured in the
    settings. Running jobs create new ones: [bold]interphase launch --every 60[/bold] starts workers for them.
    """
    from interphase_flows.campaign.methods import missing_on_this_machine
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.runners.fireworks.submission import submit_campaign

    campaign = Campaign.from_file(file)
    settings = settings_of(root, file)
    submitted = submit_campaign(campaign, settings, accept_changes, hold)
    reuse = "; finished work is reused" if submitted.is_continued else ""
    write_line(f"{submitted.campaign}: {submitted.n_jobs} jobs on the LaunchPad, more will follow{reuse}")
    # a login node may forbid srun and mpirun
    if missing := missing_on_this_machine(campaign, settings, starts_programs=False):
        write_line(f"not on this machine, needed on the nodes of workers of kind dft: {'; '.join(missing)}")
        write_line(f"check the workers by: interphase check {file} --cluster")
    if hold:
        write_line(f"on hold: no job starts before interphase resume {submitted.campaign}")
        return
    if launch:
        _launch_once(root, dry_run=False)
    write_line(f"next: interphase launch --every 60 (starts workers); interphase status {submitted.campaign}")


@app.command(rich_help_panel=CLUSTER_PANEL)
def launch(
    root: Root = None,
    every: Every = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the requests and the Slurm scripts without submitting."),
    ] = False,
) -> None:
    """Submit allocations to Slurm for as many workers as ready jobs need and the settings allow.

    With [bold]--every[/bold], jobs whose worker was lost are also requeued, as by [bold]interphase recover[/bold].
    """
    from interphase_flows.runners.fireworks.states import n_open_jobs
    from interphase_flows.runners.slurm import allocation_script

    settings = settings_of(root)
    if dry_run:
        for name in settings.cluster.workers:
            write_line(f"# worker {name}\n{allocation_script(settings, name)}")
        _launch_once(root, dry_run)
        return

    def run_once() -> bool:
        if every is None:
            _launch_once(root, dry_run)
            return False
        _recover_once(settings, dry_run)
        _launch_once(root, dry_run)
        # a worker killed in the meantime may have left no open job, but a lost one
        return bool(n_open_jobs(settings) or _recover_once(settings, dry_run))

    repeat(run_once, every)


@app.command(rich_help_panel=CLUSTER_PANEL)
def recover(
    root: Root = None,
    every: Every = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the actions without performing them.")] = False,
) -> None:
    """Requeue jobs whose worker was lost, and list those that the user must fix.

    [bold]interphase launch --every[/bold] does this as well.
    """
    from interphase_flows.runners.fireworks.states import n_open_jobs

    settings = settings_of(root)

    def run_once() -> bool:
        if not _recover_once(settings, dry_run):
            write_line("nothing to recover")
        return bool(n_open_jobs(settings))

    repeat(run_once, None if dry_run else every)


def repeat(run_once: Callable[[], bool], every_s: float | None) -> None:
    """Call a function once, or every ``every_s`` seconds until it returns False.

    After a first success, errors such as an unreachable database are printed, and the call is retried.
    """
    has_succeeded = False
    while True:
        try:
            is_open = run_once()
            has_succeeded = True
        except InterphaseError as error:
            if every_s is None or not has_succeeded:
                raise
            write_line(f"interphase: {error}; retrying in {every_s:g} s", to_stderr=True)
            is_open = True
        if every_s is None or not is_open:
            return
        time.sleep(every_s)


def _recover_once(settings: "Settings", dry_run: bool) -> int:
    from interphase_flows.runners.fireworks.recovery import recover as recover_jobs

    found = recover_jobs(settings, dry_run)
    for each in found:
        action = ""
        if each.action == "rerun":
            action = "; rerun" + (f", try {each.n_tries}" if each.n_tries > 1 else "")
        elif each.action == "give up":
            action = f"; given up: {each.hint}"
        write_line(f"{each.campaign}: {each.name} (job {each.fw_id}): {each.message}{action}")
    return len(found)


@app.command(rich_help_panel=CLUSTER_PANEL)
def work(
    worker: Annotated[str, typer.Argument(help="Name of the worker in cluster.workers of the settings.")],
    check: Annotated[
        str | None,
        typer.Option(help="Run only the jobs of the interphase check --cluster of this name.", hidden=True),
    ] = None,
) -> None:
    """Run ready jobs on this machine until none is left or the walltime is reached (called by Slurm allocations)."""
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.runners.cluster_settings import launch_folder
    from interphase_flows.runners.fireworks.worker import work as work_as

    settings = settings_of(None)
    if check is not None:
        from interphase_flows.runners.site_check.probe_jobs import work_on_check

        write_line(f"worker {worker}: {work_on_check(settings, worker, check).summary}")
        return
    with shown_progress(PlainConsole(stderr=True)):
        shift = work_as(settings, worker, launch_folder(settings, worker))
        _write_missing_reports(settings)
    write_line(f"worker {worker}: {shift.summary}")


def _write_missing_reports(settings: "Settings") -> None:
    """Write the report of every submitted campaign whose result is newer than its report."""
    from interphase_flows.report import REPORT_NAME
    from interphase_flows.runners.campaign_records import SUBMITTED
    from interphase_flows.storage.workspace import campaign_names, open_workspace

    for name in campaign_names(settings):
        with open_workspace(settings, name, read_only=True) as workspace:
            state = workspace.ledger.get("campaigns", name) or {}
            if state.get("status") != SUBMITTED or not state.get("result"):
                continue
            report = workspace.report_folder / REPORT_NAME
            concluded = datetime.fromisoformat(state["updated_at"]).timestamp()
            if not report.exists() or report.stat().st_mtime < concluded:
                from interphase_flows.report.collect.campaign_report import write_campaign_report  # loads matplotlib

                write_line(f"report: {write_campaign_report(workspace)}")


def _launch_once(root: Path | None, dry_run: bool) -> None:
    from interphase_flows.runners.fireworks.worker_requests import request_workers

    table = Table("worker", "ready jobs", "waiting", "running", "submitted", box=None)
    for request in request_workers(settings_of(root), dry_run):
        table.add_row(
            request.worker,
            str(request.n_ready),
            str(request.n_waiting),
            str(request.n_running),
            ", ".join(request.submitted) or "-",
        )
    PlainConsole().print(table)


@app.command(rich_help_panel=CLUSTER_PANEL)
def pause(name: Name = None, campaign: CampaignOption = None, root: Root = None) -> None:
    """Pause a campaign on a cluster: no further job of it starts.

    Running jobs finish; jobs that they create wait. Pending Slurm allocations that no other campaign needs are
    cancelled.

    Continue with:  interphase resume NAME

    To stop a campaign on one machine, press Ctrl-C.
    """
    from interphase_flows.runners.fireworks.control import pause_campaign

    settings, name = named(name, root, campaign)
    done = pause_campaign(settings, name)
    running = f"; {done.n_running} running jobs finish" if done.n_running else ""
    write_line(f"{name}: {done.hold.state} since {done.hold.since}: no job starts{running}")
    _print_withdrawn(done.withdrawn)
    write_line(f"continue with: interphase resume {name}")


@app.command(rich_help_panel=CLUSTER_PANEL)
def cancel(name: Name = None, campaign: CampaignOption = None, root: Root = None) -> None:
    """Cancel the remaining jobs of a campaign on a cluster; finished work is kept and reused by a new submission.

    Running jobs are ended by cancelling their Slurm allocations: at most one checkpoint interval of dynamics, one
    epoch of training and one label are lost. To lose nothing, run [bold]interphase pause[/bold] first, and cancel when
    status shows no running job. Allocations that work for other campaigns are kept.

    Continue with:  interphase submit FILE
    """
    from interphase_flows.runners.fireworks.control import cancel_campaign

    settings, name = named(name, root, campaign)
    done = cancel_campaign(settings, name)
    write_line(f"{name}: {done.n_jobs} jobs cancelled; {done.n_done} finished jobs are kept")
    for message in (*done.ended, *done.not_ended):
        write_line(f"  {message}")
    _print_withdrawn(done.withdrawn)
    write_line("continue with: interphase submit FILE (finished work is reused)")
    if done.not_ended:
        raise typer.Exit(1)


def _print_withdrawn(job_ids: list[str] | None) -> None:
    if job_ids is None:
        write_line("Slurm is not available on this machine: pending allocations end by themselves once they start")
    elif job_ids:
        write_line(f"pending allocations cancelled in Slurm: {', '.join(job_ids)}")
