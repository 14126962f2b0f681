"""Commands that take out: query, report, export, and fetch for what comes from elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from interphase_flows.cli.application import Name, Root, app, named


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
        typer.Argument(help="Such as: status=rejected  'energy_eV<-100'  'origin~amorphous'. All must hold."),
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

    The five lowest energies of a compound:  interphase query labels formula=Li8S4 --sort energy_eV --limit 5

    What failed last:  interphase query failures --sort -last_at --limit 5

    How many labels were refused:  interphase query labels status=rejected --count

    A table for other programs:  interphase query labels --fields key,formula,energy_eV --limit 0 -o csv

    Labels that never train, and why:  interphase query labels --rejected

    For one reason, or of one origin:  interphase query labels --rejected reason=max_force 'origin~amorphous'

    Inputs and logs of one of them:  interphase query labels --rejected key=KEY --files folder
    """
    from interphase_flows.commands.queries import (
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
    from interphase_flows.report.collect.from_ledger import write_campaign_report
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
    from interphase_flows.commands.export import export_result

    settings, name = named(name, root)
    for path in export_result(settings, name, what, target):
        print(path)


@app.command()
def fetch(
    material_id: Annotated[str, typer.Argument(help="Id in the Materials Project, such as mp-1153.")],
    to: Annotated[Path, typer.Option("--to", help="File to write (CIF), for structure_files.")],
) -> None:
    """Write a crystal of the Materials Project to a file, with your own key (MP_API_KEY)."""
    from interphase_flows.commands.materials_project import fetch_crystal

    material = fetch_crystal(material_id, to)
    print(f"wrote {to}: {material.get('formula_pretty', material_id)}")
