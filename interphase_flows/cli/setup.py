"""Commands that prepare a machine or a site: init, check."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from interphase_flows.cli.application import Root, app, settings_of

if TYPE_CHECKING:
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.runners.site_check.machine_checks import Check
    from interphase_flows.settings import Settings

OF_A_SITE = "With --site"


def _of_a_site(words: str) -> typer.models.OptionInfo:
    return typer.Option(help=words, rich_help_panel=OF_A_SITE)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path("."),
    force: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    site: Annotated[
        bool,
        typer.Option(
            "--site",
            help="Write what a site with Slurm and MongoDB needs: settings, and FireWorks' own files.",
        ),
    ] = False,
    host: Annotated[str | None, _of_a_site("MongoDB's machine: NAME or NAME:PORT; localhost.")] = None,
    database: Annotated[str | None, _of_a_site("Of MongoDB; interphase.")] = None,
    username: Annotated[str | None, _of_a_site("Of MongoDB; none.")] = None,
    password_file: Annotated[
        Path | None,
        _of_a_site("File of mode 600 with MongoDB's password; ~/.config/interphase/mongodb-password."),
    ] = None,
    auth_source: Annotated[
        str | None, _of_a_site("The database that knows the user, often admin; that of --database.")
    ] = None,
    root: Annotated[Path | None, _of_a_site("Folder that every node sees, with room; ~/interphase.")] = None,
    partition: Annotated[str | None, _of_a_site("Slurm's, for DFT; Slurm's default.")] = None,
    gpu_partition: Annotated[
        str | None, _of_a_site("Slurm's, for training and dynamics; without it they run on cores.")
    ] = None,
    shared_partition: Annotated[
        str | None, _of_a_site("Slurm's, for short jobs; that of --partition.")
    ] = None,
    account: Annotated[str | None, _of_a_site("Slurm's, that pays.")] = None,
) -> None:
    """Write a commented campaign file and settings to start from; with --site, those of a cluster.

    No file holds a password: the settings name the file that does.
    """
    given = {
        "host": host,
        "database": database,
        "username": username,
        "password_file": password_file,
        "auth_source": auth_source,
        "root": root,
        "partition": partition,
        "gpu_partition": gpu_partition,
        "shared_partition": shared_partition,
        "account": account,
    }
    told = {name: str(value) for name, value in given.items() if value is not None}
    if site:
        _init_site(folder, told, force)
        return
    if told:
        from interphase_flows.exceptions import InputError

        raise InputError(f"--{next(iter(told)).replace('_', '-')}: is of a site; add --site")
    from interphase_flows.campaign.template_files import write_templates

    for path in write_templates(folder, force):
        print(f"wrote {path}")
    print(
        f"next, in {folder.resolve()}: interphase check campaign.yaml; interphase run campaign.yaml --dry-run"
    )


def _init_site(folder: Path, told: dict[str, str], force: bool) -> None:
    from interphase_flows.runners.site_check.site_files import next_steps, site_of, write_site

    site = site_of(told)
    for path in write_site(site, folder, force):
        print(f"wrote {path}")
    print("next:")
    for step in next_steps(site, folder):
        print(f"  {step}")


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Campaign file, to check what it needs as well.")
    ] = None,
    root: Root = None,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster", help="Send a trivial job through every worker of the settings, and tell what it saw."
        ),
    ] = False,
    timeout_minutes: Annotated[
        float, typer.Option(help="With --cluster: wait so long for allocations, then cancel them.")
    ] = 10.0,
) -> None:
    """Does this machine have what a campaign needs?  With --cluster: does the site?

    Nothing is left behind, neither in the database nor in the queue nor in folders.
    """
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.campaign.yaml_file import load_yaml_model
    from interphase_flows.settings import MongodbSettings

    campaign = load_yaml_model(file, Campaign).with_absolute_files(file.parent) if file else None
    settings = settings_of(root)
    is_good = True
    for result in _checks(settings, campaign, 60.0 * timeout_minutes if cluster else None):
        is_good &= result.is_good
        print(f"{'ok  ' if result.is_good else 'FAIL'} {result.name}: {result.told}", flush=True)
    if not cluster and isinstance(settings.store, MongodbSettings):
        print("the workers, by a job through each: interphase check --cluster")
    if not is_good:
        raise typer.Exit(1)


def _checks(settings: "Settings", campaign: "Campaign | None", timeout_s: float | None) -> "Iterator[Check]":
    """Yield the checks of this machine, and of the cluster if there is time for it."""
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.runners.site_check.machine_checks import check_machine

    if timeout_s is None:
        yield from check_machine(settings, campaign)
        return
    from interphase_flows.runners.site_check.site_checks import check_cluster

    with shown_progress(Console(stderr=True)):
        # the reference method is asked for where it runs
        yield from check_machine(settings, campaign, is_run_here=False)
        yield from check_cluster(settings, timeout_s, campaign)
