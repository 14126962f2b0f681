"""Commands that hold and end campaigns on a cluster: pause, cancel; ``resume`` lets a paused one go on."""

import typer

from interphase_flows.cli.application import Name, Root, app, named


@app.command()
def pause(name: Name = None, root: Root = None) -> None:
    """Let no further job of a campaign on a cluster start.

    Jobs that run go on to their end; those that they make wait, too. Allocations that wait in Slurm's queue for nobody
    else are taken out of it. Other campaigns are not touched.

    Go on with:  interphase resume NAME

    A campaign that runs on one machine is stopped by Ctrl-C.
    """
    from interphase_flows.runners.fireworks.control import pause_campaign

    settings, name = named(name, root)
    done = pause_campaign(settings, name)
    running = f"; {done.n_running} jobs run to their end" if done.n_running else ""
    print(f"{name}: {done.hold.state} since {done.hold.since}: no job starts{running}")
    _print_withdrawn(done.withdrawn)
    print(f"go on with: interphase resume {name}")


@app.command()
def cancel(name: Name = None, root: Root = None) -> None:
    """End a campaign on a cluster; what is done stays, and submitting it again goes on from there.

    No job of it starts. Running ones are ended by cancelling their allocations in Slurm: up to a checkpoint interval of
    dynamics, an epoch of a training and a label are lost. To lose nothing, [bold]interphase pause[/bold] first, and
    cancel when status shows no running job. Allocations that work for other campaigns are left alone.

    Go on with:  interphase submit FILE
    """
    from interphase_flows.runners.fireworks.control import cancel_campaign

    settings, name = named(name, root)
    done = cancel_campaign(settings, name)
    print(f"{name}: cancelled: {done.n_jobs} jobs will not be done, {done.n_done} are done and stay")
    for told in (*done.ended, *done.not_ended):
        print(f"  {told}")
    _print_withdrawn(done.withdrawn)
    print("go on with: interphase submit FILE (what is done is not done again)")
    if done.not_ended:
        raise typer.Exit(1)


def _print_withdrawn(job_ids: list[str] | None) -> None:
    if job_ids is None:
        print(
            "Slurm cannot be asked here: allocations that wait in its queue end by themselves once they start"
        )
    elif job_ids:
        print(f"taken out of Slurm's queue, needed by nobody now: {', '.join(job_ids)}")
