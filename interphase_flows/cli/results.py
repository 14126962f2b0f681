"""Commands that look: status, query, report, export, and fetch for what comes from elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from interphase_flows.cli.application import Name, Root, app, named

if TYPE_CHECKING:
    from interphase_flows.managers.cluster.states import ClusterStatus
    from interphase_flows.managers.label_budget import LabelsToCome


@app.command()
def status(
    name: Name = None,
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Say what a campaign has done and is doing."""
    from interphase_flows.managers.status import campaign_status

    settings, name = named(name, root)
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
    if found.cluster:
        _print_cluster(found.cluster)
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
    if found.cluster and found.status == "failed":
        print("go on with: interphase submit FILE (what is done is not done again)")
    elif found.status in ("interrupted", "failed", "walltime reached"):
        print(f"go on with: interphase resume {found.name}")
    if found.report:
        print(f"report: {found.report}")


def _print_cluster(cluster: "ClusterStatus") -> None:
    from interphase_flows.managers.cluster.states import told_allocations

    table = Table("jobs", *(next(iter(cluster.jobs.values()))), box=None)
    for kind, row in cluster.jobs.items():
        table.add_row(kind, *(str(n) for n in row.values()))
    Console().print(table)
    if cluster.failed:
        told = ", ".join(cluster.failed[:5]) + (" ..." if len(cluster.failed) > 5 else "")
        print(f"failed: {told}; the reasons: interphase query failures")
    if cluster.allocations is not None:
        print(f"allocations in Slurm's queue: {told_allocations(cluster.allocations)}")


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
    fields: Annotated[
        str | None, typer.Option(help="Fields to print, separated by commas; a dot goes into one.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Fields to sort by, separated by commas; - before one is descending. Else oldest first."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many; 0 is all.")] = 20,
    count: Annotated[bool, typer.Option("--count", help="Print only how many match.")] = False,
    rejected: Annotated[
        bool,
        typer.Option("--rejected", help="Labels that never train: each with its reason and explanation."),
    ] = False,
    output: Annotated[str, typer.Option("--output", "-o", "--format", help="table, json or csv.")] = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
    files: Annotated[
        Path | None,
        typer.Option(
            "--files", help="Unpack inputs and logs of the labels found into this folder, a folder per label."
        ),
    ] = None,
) -> None:
    """Find documents of a campaign.

    The five lowest energies of a compound:  interphase query labels formula=Li8S4 --sort energy_ev --limit 5

    What failed last:  interphase query failures --sort -last_at --limit 5

    How many labels were refused:  interphase query labels status=rejected --count

    A table for other programs:  interphase query labels --fields key,formula,energy_ev --limit 0 -o csv

    Labels that never train, and why:  interphase query labels --rejected

    For one reason, or of one origin:  interphase query labels --rejected reason=max_force 'origin~amorphous'

    Inputs and logs of one of them:  interphase query labels --rejected key=KEY --files folder
    """
    from interphase_flows.managers.queries import (
        Question,
        count_in_campaign,
        query_campaign,
        take_out_label_files,
    )

    settings, name = named(name, root)
    asked = Question(kind, filters or [], sort.split(",") if sort else [], limit, rejected)
    if count:
        print(count_in_campaign(settings, name, asked))
    elif files is not None:
        for path in take_out_label_files(settings, name, asked, files):
            print(path)
    else:
        chosen = fields.split(",") if fields else None
        answer = query_campaign(settings, name, asked, chosen, "json" if json else output)
        print(answer.removesuffix("\n"))  # CSV ends its last line itself


@app.command()
def report(name: Name = None, root: Root = None) -> None:
    """Write the report anew from what is stored; also of a campaign that is not finished."""
    from interphase_flows.report.from_ledger import write_campaign_report
    from interphase_flows.storage.workspace import open_workspace

    settings, name = named(name, root)
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

    settings, name = named(name, root)
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


def _told_to_come(labels: "LabelsToCome") -> str:
    from interphase_flows.references.cost import told_duration

    basis = f"fitted to {labels.n_fitted} labels" if labels.n_fitted else "before any label is done"
    return (
        f"labels to come: {labels.n_chosen} chosen, at most {labels.n_at_most} more; about "
        f"{told_duration(labels.cost_s)} on one core, within a factor of {labels.cost_factor:.1f} ({basis})"
    )
