"""Commands that start campaigns and go on with them: run, resume, converge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from interphase_flows.cli.application import AcceptChanges, Name, Root, app, named, settings_of

if TYPE_CHECKING:
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.settings import Settings


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML).")],
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its rough cost; run nothing.")
    ] = False,
    accept_changes: AcceptChanges = False,
) -> None:
    """Run a campaign on this machine, to its report.

    It may be stopped at any instant, also by kill -9: `interphase resume` goes on from there.
    """
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.campaign.validate import check_campaign, missing_on_this_machine
    from interphase_flows.campaign.yaml_file import load_yaml_model

    campaign = load_yaml_model(file, Campaign).with_absolute_files(file.parent)
    check_campaign(campaign, is_run_here=not dry_run)
    if dry_run:
        _print_plan(campaign, settings_of(root))
        missing = missing_on_this_machine(campaign)
        if missing:
            print(f"not on this machine: {missing}")
        return
    _run(campaign, settings_of(root), accept_changes)


@app.command()
def resume(
    name: Name = None,
    root: Root = None,
    retry_rejected: Annotated[
        str | None,
        typer.Option(
            "--retry-rejected",
            help="Compute labels again that were rejected for these reasons, separated by commas, such as "
            "out_of_memory,killed; first mend the cause (memory, walltime). What was learned without them is "
            "learned again.",
        ),
    ] = None,
) -> None:
    """Go on with a campaign that was stopped, killed or failed on this machine, or paused on a cluster.

    One that failed or was cancelled on a cluster goes on by [bold]interphase submit[/bold].
    """
    from interphase_flows.runners.campaign_records import stored_campaign

    settings, name = named(name, root)
    if _is_released(settings, name, retry_rejected):
        return
    if retry_rejected:
        from interphase_flows.commands.rejections import retry_rejected as retry

        print(f"{retry(settings, name, retry_rejected.split(','))} rejected labels will be computed again")
    _run(stored_campaign(settings, name), settings, accept_changes=False)


def _is_released(settings: "Settings", name: str, retry_rejected: str | None) -> bool:
    """Let a campaign go on that is held on a cluster; False if it has no jobs there."""
    from interphase_flows.exceptions import InputError
    from interphase_flows.runners.fireworks.control import is_on_cluster, release_campaign

    if not is_on_cluster(settings, name):
        return False
    if retry_rejected:
        raise InputError(
            f"--retry-rejected: campaign {name} has jobs on the cluster; this is for one that runs on this machine"
        )
    hold = release_campaign(settings, name)
    print(f"{name}: jobs start again; it was {hold.state} since {hold.since}")
    print("next: interphase launch --every 60 (keeps workers coming, unless it still runs)")
    return True


@app.command()
def converge(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML), whose reference method is studied.")],
    cutoffs: Annotated[
        str, typer.Option(help="Plane-wave cutoffs in eV, separated by commas.")
    ] = "300,350,400,500",
    k_densities: Annotated[str, typer.Option(help="K-points per 1/Å, separated by commas.")] = "2,3,4",
    gamma_check: Annotated[
        float | None, typer.Option(help="Judge Gamma alone, for large cells, against a mesh of this density.")
    ] = None,
    phases: Annotated[
        str | None, typer.Option(help="Phases, separated by commas; those of the full reaction by default.")
    ] = None,
    energy_tolerance: Annotated[float, typer.Option(help="In meV/atom, of energy differences.")] = 3.0,
    force_tolerance: Annotated[float, typer.Option(help="In meV/Å, largest component.")] = 15.0,
    stress_tolerance: Annotated[float, typer.Option(help="In meV/Å³, largest component.")] = 0.6,
    max_label_minutes: Annotated[
        float | None,
        typer.Option(
            help="Leave a phase out of meshes denser than the campaign's on which a label of it is estimated to "
            "cost more; its own densest mesh judges it."
        ),
    ] = None,
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and their rough cost; run nothing.")
    ] = False,
) -> None:
    """Find the cutoff and k-points that a campaign's reference method needs.

    It may be stopped at any instant: the same command goes on. Labels are shared with the campaign.
    """
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.campaign.yaml_file import load_yaml_model
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.commands.convergence import (
        StudyOptions,
        plan_convergence_study,
        plan_table,
        run_convergence_study,
    )
    from interphase_flows.reference.convergence import Tolerances
    from interphase_flows.report.sections.convergence import (
        Convergence,
        choice_in_words,
        write_convergence_page,
    )
    from interphase_flows.report.text.convergence import convergence_table
    from interphase_flows.storage.workspace import open_workspace

    campaign = load_yaml_model(file, Campaign).with_absolute_files(file.parent)
    options = StudyOptions(
        cutoffs_eV=_numbers("--cutoffs", cutoffs),
        k_densities=_numbers("--k-densities", k_densities),
        gamma_check_density=gamma_check,
        phases=tuple(name.strip() for name in phases.split(",")) if phases else (),
        tolerances=Tolerances(energy_tolerance, force_tolerance, stress_tolerance),
        max_label_cost_s=None if max_label_minutes is None else 60.0 * max_label_minutes,
    )
    planned = plan_convergence_study(campaign, options)
    if dry_run:
        Console().print(plan_table(campaign.name, planned))
        print("Nothing was run. Costs are rough, from one laptop core; labels that are there cost nothing.")
        return
    settings = settings_of(root)
    with shown_progress(Console(stderr=True)):
        study = run_convergence_study(campaign, options, settings)
    with open_workspace(settings, campaign.name, read_only=True) as workspace:
        path = write_convergence_page(study, workspace.report_folder)
    Console().print(convergence_table(Convergence.of(study)))
    for line in (*study.notes, choice_in_words(study.values), f"page: {path}"):
        print(line)


def _numbers(option: str, text: str) -> list[float]:
    from interphase_flows.exceptions import InputError

    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"{option}: {text!r}: write numbers separated by commas, such as 300,400") from None


def _run(campaign: "Campaign", settings: "Settings", accept_changes: bool) -> None:
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.report.collect.from_ledger import write_campaign_report
    from interphase_flows.runners.local import run_campaign
    from interphase_flows.storage.workspace import open_workspace

    with shown_progress(Console(stderr=True)):
        result = run_campaign(campaign, settings, accept_changes)
    with open_workspace(settings, campaign.name, read_only=True) as workspace:
        path = write_campaign_report(workspace)
    print(f"{campaign.name}: {result.outcome.replace('_', ' ')}")
    print(f"report: {path}")


def _print_plan(campaign: "Campaign", settings: "Settings") -> None:
    from interphase_flows.costs.budget import known_label_costs
    from interphase_flows.costs.campaign_plan import plan_campaign
    from interphase_flows.costs.model import told_duration

    costs = known_label_costs(settings, campaign)
    stages = plan_campaign(campaign, costs)
    table = Table(
        "stage",
        "amount",
        "cost (one core)",
        "within",
        title=f"{campaign.name}: {campaign.description}",
        box=None,
    )
    for stage in stages:
        cost = told_duration(stage.cost_s) if stage.cost_s else "nothing"
        table.add_row(stage.stage, stage.amount, cost, f"x {stage.cost_factor:.1f}" if stage.cost_s else "")
    table.add_row("in all, at most", "", told_duration(sum(stage.cost_s for stage in stages)), "")
    Console().print(table)
    basis = (
        f"costs of labels are fitted to {costs.n_labels} that are done here"
        if costs.n_labels
        else "no label of this method was done here yet"
    )
    print(
        f"Nothing was run. The loop ends earlier if it converges; costs are rough, within the factor given; {basis}."
    )
