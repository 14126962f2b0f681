"""Commands that read stored results: query, report."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from interphase_flows.cli.application import (
    RESULTS_PANEL,
    CampaignOption,
    Name,
    PlainConsole,
    Root,
    app,
    named,
    settings_of,
    write_line,
)
from interphase_flows.schemas.kinds import document_kinds


@app.command(rich_help_panel=RESULTS_PANEL)
def query(
    kind: Annotated[
        str,
        typer.Argument(help=f"Kind of document: {', '.join((*document_kinds(), 'failures'))}."),
    ],
    filters: Annotated[
        list[str] | None,
        typer.Argument(
            help="FIELD OPERATOR VALUE, such as status=rejected  'energy_eV<-100'  'origin~amorphous'; all must match."
        ),
    ] = None,
    name: CampaignOption = None,
    all_campaigns: Annotated[
        bool,
        typer.Option("--all-campaigns", help="Also documents that only other campaigns of the database use."),
    ] = False,
    root: Root = None,
    fields: Annotated[
        str | None,
        typer.Option(help="Fields to print, separated by commas; nested fields with a dot, such as method.name."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Fields to sort by, separated by commas, descending with - before the name; default: oldest first."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="Largest number of documents; 0 for all.")] = 20,
    count: Annotated[bool, typer.Option("--count", help="Print only the number of matching documents.")] = False,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected", help="Only labels that are excluded from every dataset, with reason and explanation."
        ),
    ] = False,
    output: Annotated[str, typer.Option("--output", "-o", "--format", help="Format: table, json or csv.")] = "table",
    json: Annotated[bool, typer.Option("--json", help="Same as --output json.")] = False,
    files: Annotated[
        Path | None,
        typer.Option(
            "--files",
            help="Extract inputs and logs of the matching labels into this folder, one subfolder per label.",
        ),
    ] = None,
) -> None:
    """Query the documents that a campaign uses, also those that another campaign has computed.

    The five lowest energies of a compound:  interphase query labels formula=Li8S4 --sort energy_eV --limit 5

    The latest failures:  interphase query failures --sort -last_at --limit 5

    The number of rejected labels:  interphase query labels status=rejected --count

    A table as CSV:  interphase query labels --fields key,formula,energy_eV --limit 0 -o csv

    Rejected labels with reasons:  interphase query labels --rejected

    Rejected labels by reason and origin:  interphase query labels --rejected reason=max_force 'origin~amorphous'

    Inputs and logs of a rejected label:  interphase query labels --rejected key=KEY --files folder
    """
    from interphase_flows.commands.queries import (
        DocumentQuery,
        count_documents,
        extract_label_files,
        query_campaign,
    )
    from interphase_flows.storage.workspace import campaign_names

    # the database is the same for any of its campaigns
    any_name = next(iter(campaign_names(settings_of(root))), None) if all_campaigns else None
    settings, name = named(name, root, name or any_name)
    request = DocumentQuery(kind, filters or [], sort.split(",") if sort else [], limit, rejected, all_campaigns)
    if count:
        write_line(count_documents(settings, name, request))
    elif files is not None:
        for path in extract_label_files(settings, name, request, files):
            write_line(path)
    else:
        chosen = fields.split(",") if fields else None
        text = query_campaign(settings, name, request, chosen, "json" if json else output)
        write_line(text.removesuffix("\n"))  # CSV ends with a newline


@app.command(rich_help_panel=RESULTS_PANEL)
def schema(kind: Annotated[str, typer.Argument(help=f"Kind of document: {', '.join(document_kinds())}.")]) -> None:
    """Print the JSON schema of a kind of document: its fields with types, units and meanings."""
    from json import dumps

    from interphase_flows.commands.queries import json_schema

    write_line(dumps(json_schema(kind), indent=2, ensure_ascii=False))


@app.command(rich_help_panel=RESULTS_PANEL)
def report(
    name: Name = None,
    campaign: CampaignOption = None,
    root: Root = None,
    figures: Annotated[
        Literal["page", "talk"],
        typer.Option(
            help="page: write the report. talk: only write its figures, for slides of 13.3 inches, into figures_talk."
        ),
    ] = "page",
) -> None:
    """Write the report of a campaign from its stored results; the campaign may be unfinished."""
    from interphase_flows.report.collect.campaign_report import write_campaign_report, write_campaign_talk_figures
    from interphase_flows.storage.workspace import open_workspace

    settings, name = named(name, root, campaign)
    write = write_campaign_report if figures == "page" else write_campaign_talk_figures
    with open_workspace(settings, name, read_only=True) as workspace:
        write_line(write(workspace))


@app.command(rich_help_panel=RESULTS_PANEL)
def compare(
    campaigns: Annotated[
        list[str],
        typer.Argument(
            help="Names of two or more campaigns; a campaign under another root by its folder, other_runs/NAME."
        ),
    ],
    root: Root = None,
    to: Annotated[Path, typer.Option("--to", help="Folder of the page and its figure.")] = Path("comparison"),
) -> None:
    """Compare campaigns, finished or not: their files, errors, interphases, verdicts and costs, on one page.

    Prints the keys that differ and the results, and writes comparison.html.
    """
    from rich.table import Table

    from interphase_flows.exceptions import InputError
    from interphase_flows.report.collect.comparison import compared_campaign
    from interphase_flows.report.inputs.comparison import compared_results, differing_keys
    from interphase_flows.report.sections.comparison import write_comparison
    from interphase_flows.settings import MongodbSettings
    from interphase_flows.storage.workspace import open_workspace

    if len(campaigns) < 2:
        raise InputError("a comparison needs two campaigns. Hint: interphase compare NAME OTHER_NAME")
    found = []
    for given in campaigns:
        folder = Path(given)
        elsewhere = folder.name != given
        settings = settings_of(folder.parent if elsewhere else root)
        if elsewhere and isinstance(settings.store, MongodbSettings):
            raise InputError(
                f"{given}: campaigns of a database have no folder. Hint: interphase compare NAME OTHER_NAME"
            )
        with open_workspace(settings, folder.name, read_only=True) as workspace:
            found.append(compared_campaign(workspace, given))
    table = Table(box=None, show_edge=False, pad_edge=False)
    for title in ("", *campaigns):
        table.add_column(title, overflow="fold")
    keys = ("Keys that differ", differing_keys(found))
    for group, rows in (keys, *compared_results(found)):
        if rows:
            table.add_row(Text(group, style="bold"))
        for row in rows:
            table.add_row(f"  {row.name}", *row.values)
    PlainConsole().print(table)
    write_line(write_comparison(found, to))
