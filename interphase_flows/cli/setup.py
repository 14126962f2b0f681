"""Commands that prepare a campaign, a machine or a site: init, check, fetch, order."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interphase_flows.cli.application import SETUP_PANEL, PlainConsole, Root, app, settings_of, write_line

if TYPE_CHECKING:
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.runners.site_check.machine_checks import Check
    from interphase_flows.settings import Settings

SITE_PANEL = "With --site"


def _site_option(help_text: str) -> typer.models.OptionInfo:
    return typer.Option(help=help_text, rich_help_panel=SITE_PANEL)


@app.command(rich_help_panel=SETUP_PANEL)
def init(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write to; the campaign gets its name. Default: the current folder.")
    ] = Path("."),
    force: Annotated[bool, typer.Option(help="Replace existing files.")] = False,
    site: Annotated[
        bool,
        typer.Option(
            "--site",
            help="Write the settings and FireWorks files of a site with Slurm and MongoDB.",
        ),
    ] = False,
    host: Annotated[str | None, _site_option("MongoDB server, NAME or NAME:PORT; default: localhost.")] = None,
    database: Annotated[str | None, _site_option("MongoDB database; default: interphase.")] = None,
    username: Annotated[str | None, _site_option("MongoDB user; default: none.")] = None,
    password_file: Annotated[
        Path | None,
        _site_option("File (mode 600) with the password of MongoDB; default: ~/.config/interphase/mongodb-password."),
    ] = None,
    auth_source: Annotated[
        str | None,
        _site_option("MongoDB database that authenticates the user, often admin; default: that of --database."),
    ] = None,
    root: Annotated[
        Path | None,
        _site_option("Shared folder of all campaigns, visible to every node; default: ~/interphase."),
    ] = None,
    partition: Annotated[str | None, _site_option("Slurm partition for DFT; default: that of Slurm.")] = None,
    gpu_partition: Annotated[
        str | None, _site_option("Slurm partition for training and dynamics; default: they run on CPUs.")
    ] = None,
    shared_partition: Annotated[
        str | None, _site_option("Slurm partition for short jobs; default: that of --partition.")
    ] = None,
    account: Annotated[str | None, _site_option("Slurm account.")] = None,
) -> None:
    """Write a commented campaign file and settings; with --site, the settings of a cluster.

    Passwords are never written: the settings name the file that contains one.
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
    site_options = {name: str(value) for name, value in given.items() if value is not None}
    if site:
        _init_site(folder, site_options, force)
        return
    if site_options:
        from interphase_flows.exceptions import InputError

        option = next(iter(site_options)).replace("_", "-")
        raise InputError(f"--{option} is only valid with --site")
    from interphase_flows.campaign.template_files import write_templates

    for path in write_templates(folder, force, name=folder.name or None):
        write_line(f"wrote {path}")
    steps = ["interphase check campaign.yaml", "interphase run campaign.yaml --dry-run"]
    if folder.name:  # the settings apply to commands in their folder
        steps.insert(0, f"cd {shlex.quote(str(folder))}")
    write_line(f"next: {'; '.join(steps)}")


def _init_site(folder: Path, options: dict[str, str], force: bool) -> None:
    from interphase_flows.runners.site_check.site_files import next_steps, site_from_options, write_site

    site = site_from_options(options)
    for path in write_site(site, folder, force):
        write_line(f"wrote {path}")
    write_line("next:")
    for step in next_steps(site, folder):
        write_line(f"  {step}")


@app.command(rich_help_panel=SETUP_PANEL)
def check(
    file: Annotated[Path | None, typer.Argument(help="Campaign file: also check what it needs.")] = None,
    root: Root = None,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Run a probe job through every worker of the settings and report its findings."),
    ] = False,
    timeout_minutes: Annotated[
        float, typer.Option(help="With --cluster: cancel allocations that have not finished after this time.")
    ] = 10.0,
) -> None:
    """Check that this machine, or with --cluster the site, has what a campaign needs.

    All documents, allocations and files of the check are removed at its end.
    """
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.settings import MongodbSettings

    campaign = Campaign.from_file(file) if file else None
    settings = settings_of(root, file)
    all_passed = True
    for result in _checks(settings, campaign, 60.0 * timeout_minutes if cluster else None):
        all_passed &= result.passed
        write_line(f"{'ok  ' if result.passed else 'FAIL'} {result.name}: {result.message}")
    if not cluster and isinstance(settings.store, MongodbSettings):
        write_line("to check the workers as well: interphase check --cluster")
    if not all_passed:
        raise typer.Exit(1)


@app.command(rich_help_panel=SETUP_PANEL)
def fetch(
    material_id: Annotated[str, typer.Argument(help="Identifier in the Materials Project, such as mp-1153.")],
    to: Annotated[Path, typer.Option("--to", help="CIF file to write; name it under structure_files of a campaign.")],
) -> None:
    """Download a crystal from the Materials Project to a CIF file, with your own key (MP_API_KEY)."""
    from interphase_flows.commands.materials_project import fetch_crystal

    material = fetch_crystal(material_id, to)
    write_line(f"wrote {to}: {material.get('formula_pretty', material_id)}")


@app.command(rich_help_panel=SETUP_PANEL)
def order(
    file: Annotated[Path, typer.Argument(help="CIF file with partly occupied sites.")],
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            help="Structure file to write (.cif, .vasp or .extxyz), with a .json file that records the ordering.",
        ),
    ],
    number: Annotated[
        int,
        typer.Option(min=1, help="Write this many different orderings, lowest energy first: NAME-1.cif, NAME-2.cif."),
    ] = 1,
    charges: Annotated[
        str | None,
        typer.Option(
            help="Charge of every element in e, such as Li=1,P=5,S=-2; default: those of the file, else guessed."
        ),
    ] = None,
    cell: Annotated[
        str,
        typer.Option(help="Cell that is repeated: smallest (the primitive cell if that gives fewer sites) or file."),
    ] = "smallest",
    max_atoms: Annotated[int, typer.Option(min=1, help="Largest number of atoms in the cell.")] = 200,
    max_occupancy_deviation: Annotated[
        float,
        typer.Option(
            min=0.0, help="Round occupancies by at most this amount, for a smaller cell; the composition changes."
        ),
    ] = 0.005,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the annealing of large cells.")] = 1,
) -> None:
    """Order the partly occupied sites of a crystal, with the lowest electrostatic energy.

    The cell is the smallest supercell that contains integral numbers of atoms on all sites.
    """
    from interphase_flows.commands.ordering import write_ordering
    from interphase_flows.report.text.ordering import describe_ordering

    limits = {"cell": cell, "max_atoms": max_atoms, "max_occupancy_deviation": max_occupancy_deviation, "seed": seed}
    paths, record = write_ordering(file, to, number, charges, limits)
    write_line(describe_ordering(record))
    for path, energy in zip(paths, record.electrostatic_energies_eV, strict=True):
        write_line(f"wrote {path}: electrostatic energy {energy:.3f} eV")


def _checks(settings: "Settings", campaign: "Campaign | None", timeout_s: float | None) -> "Iterator[Check]":
    """Yield the checks of this machine and, unless ``timeout_s`` is None, of the cluster."""
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.runners.site_check.machine_checks import check_machine

    if timeout_s is None:
        yield from check_machine(settings, campaign)
        return
    from interphase_flows.runners.site_check.site_checks import check_cluster

    with shown_progress(PlainConsole(stderr=True)):
        # the reference method is checked on the workers
        yield from check_machine(settings, campaign, is_run_here=False)
        yield from check_cluster(settings, timeout_s, campaign)
