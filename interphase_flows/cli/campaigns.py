"""Commands that run campaigns on this machine: run, resume, converge."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interphase_flows.cli.application import (
    CAMPAIGN_PANEL,
    AcceptChanges,
    CampaignOption,
    Name,
    PlainConsole,
    Root,
    Workers,
    app,
    named,
    settings_of,
    write_line,
)

if TYPE_CHECKING:
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.settings import Settings


@app.command(rich_help_panel=CAMPAIGN_PANEL)
def run(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML).")],
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its estimated cost, then exit.")
    ] = False,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="With --dry-run: measure the speed of the campaign's architecture in its cells on this machine, once. "
            "It compiles the potentials, which the campaign then uses. Default: measure, unless results go to a "
            "database.",
        ),
    ] = None,
    accept_changes: AcceptChanges = False,
    workers: Workers = None,
) -> None:
    """Run a campaign on this machine and write its report.

    The process may be killed at any time; [bold]interphase resume[/bold] continues from the last checkpoints.
    """
    from interphase_flows.campaign.methods import missing_on_this_machine
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.campaign.validate import check_campaign

    campaign = Campaign.from_file(file)
    if dry_run:
        from interphase_flows.cli.plan_display import print_plan

        settings = settings_of(root, file)
        check_campaign(campaign)
        print_plan(campaign, settings, measure, workers)
        for missing in missing_on_this_machine(campaign, settings):
            write_line(f"missing on this machine: {missing}")
        return
    _run(campaign, settings_of(root, file), accept_changes, workers)


@app.command(rich_help_panel=CAMPAIGN_PANEL)
def resume(
    name: Name = None,
    option: CampaignOption = None,
    root: Root = None,
    retry_rejected: Annotated[
        str | None,
        typer.Option(
            "--retry-rejected",
            help="Recompute labels that were rejected for these reasons, separated by commas, such as "
            "out_of_memory,killed. Fix the cause first (memory, walltime). Datasets and potentials that lack these "
            "labels are made again.",
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Resume a campaign that was interrupted or failed on this machine, or that is paused on a cluster.

    To restart a campaign that failed or was cancelled on a cluster, use [bold]interphase submit[/bold].
    """
    from interphase_flows.runners.campaign_records import stored_campaign

    settings, name = named(name, root, option)
    if _release_on_cluster(settings, name, retry_rejected):
        return
    if retry_rejected:
        from interphase_flows.commands.queries import retry_rejected as retry

        write_line(f"{retry(settings, name, retry_rejected.split(','))} rejected labels will be recomputed")
    _run(stored_campaign(settings, name), settings, accept_changes=False, workers=workers)


def _release_on_cluster(settings: "Settings", name: str, retry_rejected: str | None) -> bool:
    """Release a campaign that is paused on a cluster; return False if it has no jobs there."""
    from interphase_flows.exceptions import InputError
    from interphase_flows.runners.fireworks.control import is_on_cluster, release_campaign

    if not is_on_cluster(settings, name):
        return False
    if retry_rejected:
        raise InputError(
            f"--retry-rejected: campaign {name} has jobs on the cluster. Hint: use this option for campaigns that run on "
            "this machine"
        )
    hold = release_campaign(settings, name)
    write_line(f"{name}: released; it was {hold.state} since {hold.since}")
    write_line("next: interphase launch --every 60 (starts workers; not needed if it is still running)")
    return True


@app.command(rich_help_panel=CAMPAIGN_PANEL)
def build(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML) with the block production.interface.")],
    to: Annotated[Path, typer.Option("--to", help="Folder of the structures and pictures.")] = Path(),
) -> None:
    """Build the production cells of a campaign as structure files and pictures, without running anything."""
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.commands.production_cells import write_production_cells
    from interphase_flows.structures.interfaces.builder import thicknesses_angstrom

    campaign = Campaign.from_file(file)
    for each in write_production_cells(campaign, to):
        built, (electrode, electrolyte) = each.built, thicknesses_angstrom(each.built)
        film, substrate = ("".join(map(str, m)) for m in (built.spec.film_miller, built.spec.substrate_miller))
        write_line(
            f"{each.structure} and {each.picture.name}: {built.n_atoms:,} atoms\n"
            f"    {campaign.electrode}({film}), {electrode:.1f} Å, on {campaign.electrolyte}({substrate}), "
            f"{electrolyte:.1f} Å; {built.area_angstrom2:.0f} Å² x {built.atoms.cell.array[2, 2]:.1f} Å\n"
            f"    strain of the electrode {100 * built.film_strain:.2f} %, gap {built.gap_angstrom:.2f} Å, "
            f"cut anions {built.n_broken_units}"
        )


@app.command(rich_help_panel=CAMPAIGN_PANEL)
def converge(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML) with the reference method to test.")],
    cutoffs: Annotated[str, typer.Option(help="Plane-wave cutoffs in eV, separated by commas.")] = "300,350,400,500",
    k_densities: Annotated[str, typer.Option(help="K-points per 1/Å, separated by commas.")] = "2,3,4",
    gamma_check: Annotated[
        float | None,
        typer.Option(help="Compare Gamma alone, used for large cells, with a mesh of this density."),
    ] = None,
    phases: Annotated[
        str | None,
        typer.Option(help="Phases, separated by commas; default: the phases of the full reaction."),
    ] = None,
    energy_tolerance: Annotated[float, typer.Option(help="Tolerance of energy differences, in meV/atom.")] = 3.0,
    force_tolerance: Annotated[float, typer.Option(help="Tolerance of the largest force component, in meV/Å.")] = 15.0,
    stress_tolerance: Annotated[
        float, typer.Option(help="Tolerance of the largest stress component, in meV/Å³.")
    ] = 0.6,
    max_label_minutes: Annotated[
        float | None,
        typer.Option(
            help="Skip meshes denser than the campaign's for a phase whose label is estimated to take longer; its "
            "densest remaining mesh is then its reference."
        ),
    ] = None,
    root: Root = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the settings of the study and their estimated cost, then exit."),
    ] = False,
    workers: Workers = None,
) -> None:
    """Test the convergence of a campaign's reference method with plane-wave cutoff and k-points.

    The process may be killed at any time; the same command resumes. Labels are shared with the campaign.
    """
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.commands.convergence import (
        plan_convergence_study,
        plan_table,
        run_convergence_study,
    )
    from interphase_flows.flows.convergence_study import ConvergenceStudyMaker
    from interphase_flows.reference.convergence import Tolerances
    from interphase_flows.report.sections.convergence import write_convergence_page
    from interphase_flows.report.text.convergence import choice_summary, convergence_table
    from interphase_flows.runtime.local_workers import default_workers
    from interphase_flows.storage.workspace import open_workspace

    campaign = Campaign.from_file(file)
    own = ConvergenceStudyMaker.from_campaign(campaign)
    maker = replace(
        own,
        cutoffs_eV=_numbers("--cutoffs", cutoffs),
        k_densities=_numbers("--k-densities", k_densities),
        gamma_check_density=gamma_check,
        phases=[name.strip() for name in phases.split(",")] if phases else own.phases,
        tolerances=Tolerances(energy_tolerance, force_tolerance, stress_tolerance),
        max_label_cost_s=None if max_label_minutes is None else 60.0 * max_label_minutes,
    )
    planned = plan_convergence_study(maker)
    if dry_run:
        PlainConsole().print(plan_table(campaign.name, planned))
        write_line(
            "Dry run: nothing was computed. Costs are estimates for one laptop core; existing labels are reused."
        )
        return
    settings = settings_of(root)
    with shown_progress(PlainConsole(stderr=True)):
        study = run_convergence_study(campaign, maker, settings, workers or default_workers(settings))
    with open_workspace(settings, campaign.name, read_only=True) as workspace:
        path = write_convergence_page(study, workspace.report_folder)
    PlainConsole().print(convergence_table(study))
    for line in (*study.notes, choice_summary(study), f"page: {path}"):
        write_line(line)


def _numbers(option: str, text: str) -> list[float]:
    from interphase_flows.exceptions import InputError

    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) <= 0:
        raise InputError(f"{option} {text}: not a list of positive numbers. Hint: separate them by commas, as in 2,3,4")
    return numbers


def _run(campaign: "Campaign", settings: "Settings", accept_changes: bool, workers: int | None) -> None:
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.report.collect.report_update import update_campaign_report
    from interphase_flows.runners.local.campaign import run_campaign
    from interphase_flows.runtime.local_workers import default_workers
    from interphase_flows.storage.workspace import open_workspace

    with shown_progress(PlainConsole(stderr=True)):
        result = run_campaign(campaign, settings, accept_changes, workers or default_workers(settings))
    with open_workspace(settings, campaign.name, read_only=True) as workspace:
        path = update_campaign_report(workspace)
    write_line(f"{campaign.name}: {result.outcome.replace('_', ' ')}")
    write_line(f"report: {path}")
