"""The command ``interphase``: parse, call one thing, print."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from interphase_flows import __version__
from interphase_flows.exceptions import InterphaseError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="From an electrode and a solid electrolyte to a measured interphase.\n\n"
    "Begin with:  interphase init   (writes a campaign file)   then   interphase run campaign.yaml",
)

STOPPED_BY_CTRL_C = 130

Root = Annotated[
    Path | None,
    typer.Option("--root", help="Folder of all campaigns; by default that of the settings, or runs."),
]
Name = Annotated[
    str | None,
    typer.Argument(help="Name of the campaign; may be left out if there is only one under the root."),
]


def _settings(root: Path | None):  # type: ignore[no-untyped-def]
    from interphase_flows.settings import load_settings

    return load_settings(**({} if root is None else {"root": root}))


def _named(name: str | None, root: Path | None):  # type: ignore[no-untyped-def]
    from interphase_flows.managers.status import only_campaign

    settings = _settings(root)
    return settings, name or only_campaign(settings)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path("."),
    force: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
) -> None:
    """Write a commented campaign file and settings to start from."""
    from interphase_flows.campaigns.templates_files import write_templates

    for path in write_templates(folder, force):
        print(f"wrote {path}")
    print(
        f"next, in {folder.resolve()}: interphase check campaign.yaml; interphase run campaign.yaml --dry-run"
    )


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="Campaign file (YAML).")],
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its rough cost; run nothing.")
    ] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on although this name was started with another file.")
    ] = False,
) -> None:
    """Run a campaign on this machine, to its report.

    It may be stopped at any instant, also by kill -9: `interphase resume` goes on from there.
    """
    from interphase_flows.campaigns.schema import Campaign
    from interphase_flows.campaigns.yaml_file import load_yaml_model
    from interphase_flows.managers.preflight import check_campaign, missing_on_this_machine

    campaign = load_yaml_model(file, Campaign).with_absolute_files(file.parent)
    check_campaign(campaign, is_run_here=not dry_run)
    if dry_run:
        _print_plan(campaign, _settings(root))
        missing = missing_on_this_machine(campaign)
        if missing:
            print(f"not on this machine: {missing}")
        return
    _run(campaign, _settings(root), accept_changes)


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
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and their rough cost; run nothing.")
    ] = False,
) -> None:
    """Find the cutoff and k-points that a campaign's reference method needs.

    It may be stopped at any instant: the same command goes on. Labels are shared with the campaign.
    """
    from interphase_flows.analysis.settings_convergence import Tolerances
    from interphase_flows.campaigns.schema import Campaign
    from interphase_flows.campaigns.yaml_file import load_yaml_model
    from interphase_flows.console import shown_progress
    from interphase_flows.managers.convergence import (
        StudyOptions,
        plan_convergence_study,
        plan_table,
        run_convergence_study,
    )
    from interphase_flows.report.convergence import Convergence, choice_in_words, write_convergence_page
    from interphase_flows.report.convergence_table import convergence_table
    from interphase_flows.storage.workspace import open_workspace

    campaign = load_yaml_model(file, Campaign).with_absolute_files(file.parent)
    options = StudyOptions(
        cutoffs_ev=_numbers("--cutoffs", cutoffs),
        k_densities=_numbers("--k-densities", k_densities),
        gamma_check_density=gamma_check,
        phases=tuple(name.strip() for name in phases.split(",")) if phases else (),
        tolerances=Tolerances(energy_tolerance, force_tolerance, stress_tolerance),
    )
    planned = plan_convergence_study(campaign, options)
    if dry_run:
        Console().print(plan_table(campaign.name, planned))
        print("Nothing was run. Costs are rough, from one laptop core; labels that are there cost nothing.")
        return
    settings = _settings(root)
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
    """Go on with a campaign that was stopped, killed or failed."""
    from interphase_flows.managers.local import stored_campaign

    settings, name = _named(name, root)
    if retry_rejected:
        from interphase_flows.managers.rejections import retry_rejected as retry

        print(f"{retry(settings, name, retry_rejected.split(','))} rejected labels will be computed again")
    _run(stored_campaign(settings, name), settings, accept_changes=False)


@app.command()
def status(
    name: Name = None,
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Say what a campaign has done and is doing."""
    from interphase_flows.managers.status import campaign_status

    settings, name = _named(name, root)
    found = campaign_status(settings, name)
    if json:
        print(found.as_json())
        return
    print(
        f"{found.name}: {found.status}{f' ({found.outcome})' if found.outcome else ''}, started {found.started_at}"
    )
    if found.missing:
        print(f"missing: {', '.join(found.missing)}; the reasons: interphase query failures")
    if found.running:
        print(f"running: {found.running}")
        if found.progress:
            p = found.progress
            print(
                f"now: {p['stage']} {p['done']}/{p['total']} {p['detail']}, {p['jobs']} jobs done  ({p['at']})"
            )
    print(", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in found.documents.items()))
    told = ", ".join(f"{n} {reason}" for reason, n in found.labels_rejected_by_reason.items())
    print(
        f"{found.labels_rejected} labels rejected{f' ({told}): see interphase query labels --rejected' if told else ''}, "
        f"{found.failures} failures on record"
    )
    if found.labels_to_come:
        print(_told_to_come(found.labels_to_come))
    if found.iterations:
        table = Table("iteration", "labels", "forces meV/Å", "energy meV/atom", "decision", box=None)
        for line in found.iterations:
            table.add_row(
                str(line.index),
                str(line.n_labels),
                f"{line.force_mae_mev_per_angstrom:.0f}",
                f"{line.energy_mae_mev_per_atom:.1f}",
                line.decision,
            )
        Console().print(table)
        print("errors: mean absolute, on interface frames that trained no member")
    if found.status in ("interrupted", "failed", "walltime reached"):
        print(f"go on with: interphase resume {found.name}")
    if found.report:
        print(f"report: {found.report}")


@app.command()
def query(
    kind: Annotated[
        str,
        typer.Argument(
            help="labels, datasets, models, committees, segments, iterations, analyses, failures ..."
        ),
    ],
    filters: Annotated[
        list[str] | None,
        typer.Argument(help="Such as: status=rejected  'energy_ev<-100'  'origin~amorphous'. All must hold."),
    ] = None,
    name: Annotated[str | None, typer.Option("--campaign", "-c", help="Campaign.")] = None,
    root: Root = None,
    fields: Annotated[str | None, typer.Option(help="Fields to print, separated by commas.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many; 0 is all.")] = 20,
    rejected: Annotated[
        bool,
        typer.Option("--rejected", help="Labels that never train: each with its reason and explanation."),
    ] = False,
    output: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    files: Annotated[
        Path | None,
        typer.Option(
            "--files", help="Unpack inputs and logs of the labels found into this folder, a folder per label."
        ),
    ] = None,
) -> None:
    """Find documents of a campaign.

    Labels that never train, and why:  interphase query labels --rejected

    For one reason, or of one origin:  interphase query labels --rejected reason=max_force 'origin~amorphous'

    Inputs and logs of one of them:  interphase query labels --rejected key=KEY --files folder
    """
    from interphase_flows.managers.queries import query_campaign, take_out_label_files

    settings, name = _named(name, root)
    chosen = fields.split(",") if fields else None
    output = "json" if json else output
    if files is not None:
        for path in take_out_label_files(settings, name, kind, filters or [], limit, rejected, files):
            print(path)
        return
    print(query_campaign(settings, name, kind, filters or [], chosen, limit, output, rejected))


@app.command()
def report(name: Name = None, root: Root = None) -> None:
    """Write the report anew from what is stored; also of a campaign that is not finished."""
    from interphase_flows.report.from_ledger import write_campaign_report
    from interphase_flows.storage.workspace import open_workspace

    settings, name = _named(name, root)
    with open_workspace(settings, name, read_only=True) as workspace:
        print(write_campaign_report(workspace))


@app.command()
def export(
    what: Annotated[
        str, typer.Argument(help="dataset (extxyz), models (NequIP checkpoints) or trajectories (extxyz).")
    ],
    target: Annotated[Path, typer.Argument(help="File for a dataset, folder for the others.")],
    name: Annotated[str | None, typer.Option("--campaign", "-c", help="Campaign.")] = None,
    root: Root = None,
) -> None:
    """Take results out, in formats that other programs read."""
    from interphase_flows.managers.export import export_result

    settings, name = _named(name, root)
    for path in export_result(settings, name, what, target):
        print(path)


@app.command()
def fetch(
    material_id: Annotated[str, typer.Argument(help="Id in the Materials Project, such as mp-1153.")],
    to: Annotated[Path, typer.Option("--to", help="File to write (CIF), for structure_files.")],
) -> None:
    """Write a crystal of the Materials Project to a file, with your own key (MP_API_KEY)."""
    from interphase_flows.managers.materials_project import fetch_crystal

    material = fetch_crystal(material_id, to)
    print(f"wrote {to}: {material.get('formula_pretty', material_id)}")


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Campaign file, to check what it needs as well.")
    ] = None,
    root: Root = None,
) -> None:
    """Does this machine have what a campaign needs?"""
    from interphase_flows.campaigns.schema import Campaign
    from interphase_flows.campaigns.yaml_file import load_yaml_model
    from interphase_flows.managers.checks import check_machine

    campaign = load_yaml_model(file, Campaign).with_absolute_files(file.parent) if file else None
    is_good = True
    for result in check_machine(_settings(root), campaign):
        is_good &= result.is_good
        print(f"{'ok  ' if result.is_good else 'FAIL'} {result.name}: {result.told}")
    if not is_good:
        raise typer.Exit(1)


def _run(campaign, settings, accept_changes: bool) -> None:  # type: ignore[no-untyped-def]
    from interphase_flows.console import shown_progress
    from interphase_flows.managers.local import run_campaign
    from interphase_flows.report.from_ledger import write_campaign_report
    from interphase_flows.storage.workspace import open_workspace

    with shown_progress(Console(stderr=True)):
        result = run_campaign(campaign, settings, accept_changes)
    with open_workspace(settings, campaign.name, read_only=True) as workspace:
        path = write_campaign_report(workspace)
    print(f"{campaign.name}: {result.outcome.replace('_', ' ')}")
    print(f"report: {path}")


def _told_to_come(labels) -> str:  # type: ignore[no-untyped-def]
    from interphase_flows.references.cost import told_duration

    basis = f"fitted to {labels.n_fitted} labels" if labels.n_fitted else "before any label is done"
    return (
        f"labels to come: {labels.n_chosen} chosen, at most {labels.n_at_most} more; about "
        f"{told_duration(labels.cost_s)} on one core, within a factor of {labels.cost_factor:.1f} ({basis})"
    )


def _print_plan(campaign, settings) -> None:  # type: ignore[no-untyped-def]
    from interphase_flows.campaigns.plan import plan_campaign
    from interphase_flows.managers.label_budget import known_label_costs
    from interphase_flows.references.cost import told_duration

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


def main() -> None:
    """Run the command line; what goes wrong on purpose is a sentence on stderr and exit code 2."""
    try:
        app()
    except InterphaseError as error:
        sys.stderr.write(f"interphase: {error}\n")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == STOPPED_BY_CTRL_C:  # what Typer makes of a KeyboardInterrupt, without a word
            sys.stderr.write("interphase: stopped; nothing is lost, go on with: interphase resume\n")
        raise


if __name__ == "__main__":
    main()
