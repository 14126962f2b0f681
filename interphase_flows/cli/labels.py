"""Command that checks labels of other programs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from interphase_flows.cli.application import SETUP_PANEL, PlainConsole, app, write_line

KEYS_PANEL = "Names and conventions of labels in extxyz files (recognised if not given)"


def _key_option(help_text: str, name: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}-key", help=help_text, rich_help_panel=KEYS_PANEL)


@app.command(name="import", rich_help_panel=SETUP_PANEL)
def import_labels(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files of labelled frames (extxyz, vasprun.xml, OUTCAR, databases and trajectories of ASE), folders of "
            "VASP runs, and job stores of atomate2, described by a .yaml file."
        ),
    ],
    reference: Annotated[
        str,
        typer.Option(
            help="Method that computed the labels: chgnet, gpaw, vasp, or the campaign file that will use the labels. "
            "What a file states about its level of theory is compared with it."
        ),
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")] = Path("imported_labels"),
    elements: Annotated[
        str | None,
        typer.Option(help="Elements that are allowed, such as Li,P,S; default: those of the campaign, or any."),
    ] = None,
    without_stress: Annotated[
        bool, typer.Option("--without-stress", help="Accept labels without stress (train with stress_weight: 0).")
    ] = False,
    energy_key: Annotated[str | None, _key_option("Energy, in eV.", "energy")] = None,
    forces_key: Annotated[str | None, _key_option("Forces, in eV/Å.", "forces")] = None,
    stress_key: Annotated[str | None, _key_option("Stress.", "stress")] = None,
    virial_key: Annotated[str | None, _key_option("Virial, in eV, instead of a stress.", "virial")] = None,
    origin_key: Annotated[
        str | None, _key_option("Entry that states which frames belong together, such as config_type.", "origin")
    ] = None,
    stress_unit: Annotated[
        str, typer.Option(help="eV/angstrom3, GPa or kbar.", rich_help_panel=KEYS_PANEL)
    ] = "eV/angstrom3",
    stress_is_positive_under: Annotated[
        str, typer.Option(help="tension (ASE) or compression.", rich_help_panel=KEYS_PANEL)
    ] = "tension",
) -> None:
    """Check labels of other programs, before a campaign starts from them.

    Writes accepted.extxyz, rejected.jsonl (with reasons) and labels.html, a page about the set. Name accepted.extxyz, or
    the files themselves, under initial_labels in a campaign file; the campaign applies the same checks. It reads no job
    stores: of these, name accepted.extxyz.
    """
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.commands.label_import import check_labels, import_maker, label_keys, write_import
    from interphase_flows.report.inputs.label_import import summarise

    keys = label_keys(
        energy=energy_key,
        forces=forces_key,
        stress=stress_key,
        virial=virial_key,
        origin=origin_key,
        stress_unit=stress_unit,
        stress_is_positive_under=stress_is_positive_under,
    )
    maker = import_maker(reference, keys, elements.split(",") if elements else None, not without_stress)
    console = PlainConsole(stderr=True)
    with shown_progress(console):
        imported = check_labels(maker, files)
        paths = write_import(imported, files, to)
    summary = summarise(imported.labels)
    write_line(f"{summary.n_accepted} labels accepted from {summary.n_origins} origins, {summary.n_rejected} rejected")
    for note in imported.notes:
        write_line(f"not read: {note}")
    if summary.rejections:
        table = Table("reason", "labels", "first one")
        for rejection in summary.rejections:
            table.add_row(rejection.reason, str(rejection.n), rejection.example)
        PlainConsole().print(table)
    for path in paths:
        write_line(f"wrote {path}")
    if not summary.n_accepted:
        raise typer.Exit(3)
