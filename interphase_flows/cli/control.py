"""Commands that pause and cancel campaigns on a cluster."""

import typer

from interphase_flows.cli.application import CLUSTER_PANEL, Name, Root, app, named


@app.command(rich_help_panel=CLUSTER_PANEL)
def pause(name: Name = None, root: Root = None) -> None:
    """Pause a campaign on a cluster: no further job of it starts.

    Running jobs finish; jobs that they create wait. Pending Slurm allocations that no other campaign needs are
    cancelled.

    Continue with:  interphase resume NAME

    To stop a campaign on one machine, press Ctrl-C.
    """
    from interphase_flows.runners.fireworks.control import pause_campaign

    settings, name = named(name, root)
    done = pause_campaign(settings, name)
    running = f"; {done.n_running} running jobs finish" if done.n_running else ""
    print(f"{name}: {done.hold.state} since {done.hold.since}: no job starts{running}")
    _print_withdrawn(done.withdrawn)
    print(f"continue with: interphase resume {name}")


@app.command(rich_help_panel=CLUSTER_PANEL)
def cancel(name: Name = None, root: Root = None) -> None:
    """Cancel the remaining jobs of a campaign on a cluster; finished work is kept and reused by a new submission.

    Running jobs are ended by cancelling their Slurm allocations: at most one checkpoint interval of dynamics, one
    epoch of training and one label are lost. To lose nothing, run [bold]interphase pause[/bold] first, and cancel when
    status shows no running job. Allocations that work for other campaigns are kept.

    Continue with:  interphase submit FILE
    """
    from interphase_flows.runners.fireworks.control import cancel_campaign

    settings, name = named(name, root)
    done = cancel_campaign(settings, name)
    print(f"{name}: {done.n_jobs} jobs cancelled; {done.n_done} finished jobs are kept")
    for message in (*done.ended, *done.not_ended):
        print(f"  {message}")
    _print_withdrawn(done.withdrawn)
    print("continue with: interphase submit FILE (finished work is reused)")
    if done.not_ended:
        raise typer.Exit(1)


def _print_withdrawn(job_ids: list[str] | None) -> None:
    if job_ids is None:
        print("Slurm is not available on this machine: pending allocations end by themselves once they start")
    elif job_ids:
        print(f"pending allocations cancelled in Slurm: {', '.join(job_ids)}")
