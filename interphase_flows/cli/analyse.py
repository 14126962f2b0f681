"""The command `analyse`: measure the interphase in a trajectory of any program, or in a run of a campaign."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperOption

from interphase_flows.analysis.pipeline.registered_parts import part_classes
from interphase_flows.cli.application import RESULTS_PANEL, PlainConsole, Root, app, settings_of, write_line

if TYPE_CHECKING:
    from interphase_flows.analysis.pipeline.results import InterfaceAnalysis

MOST_NOTES = 10
FILE_PANEL = "Trajectory file"
TRANSPORT_PANEL = "Transport"
UNAVAILABLE = 3
"""Exit code if a part that `--only` names has no result."""
OF_SERIES = ("only", "out")
"""Options of a series in a CSV file."""


def _file_option(help_text: str, *names: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=help_text, rich_help_panel=FILE_PANEL)


def _transport_option(help_text: str) -> typer.models.OptionInfo:
    return typer.Option(help=help_text, rich_help_panel=TRANSPORT_PANEL)


def _rejected_options(context: typer.Context, *, is_series: bool) -> str:
    """Return the options on the command line that a series, or else a run of a campaign, does not have."""
    given = [
        parameter
        for parameter in context.command.params
        if isinstance(parameter, TyperOption)
        and getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
    ]
    return ", ".join(
        "/".join([parameter.opts[0], *parameter.secondary_opts])
        for parameter in given
        if (parameter.name not in OF_SERIES if is_series else parameter.rich_help_panel == FILE_PANEL)
    )


def print_notes(notes: Sequence[str]) -> None:
    """Print repairs of the trajectory and detected options to standard error."""
    for note in notes[:MOST_NOTES]:
        write_line(note, to_stderr=True)
    if len(notes) > MOST_NOTES:
        write_line(f"and {len(notes) - MOST_NOTES} more, in the page", to_stderr=True)


@app.command(rich_help_panel=RESULTS_PANEL)
def analyse(
    context: typer.Context,
    trajectory: Annotated[
        list[str],
        typer.Argument(
            help="LAMMPS dump, XDATCAR, vasprun.xml, extended XYZ (each also compressed), .traj, H5MD or .zarr.zip; "
            "files of one frame each, their folder or a pattern; series_above.csv with thickness and crossings; with "
            "--campaign a run, such as replica-0."
        ),
    ],
    electrode: Annotated[str | None, _file_option("Formula of the electrode, such as Li.")] = None,
    electrolyte: Annotated[str | None, _file_option("Formula of the electrolyte, such as Li7P3S11.")] = None,
    temperature_K: Annotated[
        float | None, typer.Option("--temperature-k", "--temperature", help="Temperature of the run in K.")
    ] = None,
    time_step_fs: Annotated[
        float | None,
        _file_option("Time step in fs, for formats that store step numbers (LAMMPS).", "--time-step-fs", "--timestep"),
    ] = None,
    frame_interval_fs: Annotated[
        float | None,
        _file_option("Time between frames in fs, for formats without times (XDATCAR, XYZ, .traj)."),
    ] = None,
    elements: Annotated[
        str | None,
        _file_option("Elements of the atom types 1, 2, 3, such as Li,P,S, or of any numbers, such as 3=Li,16=S."),
    ] = None,
    wrapped: Annotated[
        bool | None,
        _file_option(
            "Whether positions are wrapped into the cell; default: along the periodic directions of the file.",
            "--wrapped/--not-wrapped",
        ),
    ] = None,
    phases: Annotated[
        str | None,
        _file_option(
            "Phases to assign atoms to, such as Li2S,Li3P,LiP, or NAME=FILE; CHGNet runs them once, in minutes."
        ),
    ] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Analyse a run of this campaign.")] = None,
    root: Root = None,
    only: Annotated[
        str | None,
        typer.Option(help=f"Parts, separated by commas: {', '.join(part_classes())}; default: all."),
    ] = None,
    normal: Annotated[
        str | None,
        _file_option("Lattice vector across the interface: a, b or c; default: detected in the first frame."),
    ] = None,
    bulk_tolerance: Annotated[
        float | None,
        _file_option(
            "Largest difference of an atomic fraction from bulk electrolyte, such as 0.02 (the published definition); "
            "default: calibrated in the first frame."
        ),
    ] = None,
    window_ps: Annotated[
        float | None,
        _transport_option("Length of the time windows of Onsager coefficients in ps; default: chosen automatically."),
    ] = None,
    charges: Annotated[
        str | None,
        _transport_option("Charges, such as Li=1,P=5,S=-2; default: oxidation states in the electrolyte."),
    ] = None,
    frame: Annotated[
        str, _transport_option("Reference frame: barycentric, lattice (or lattice:P,S), hittorf:S, or as-simulated.")
    ] = "barycentric",
    directions: Annotated[
        str, _transport_option("Axes of the coefficients of the cell: all, in-plane, or normal (to the interface).")
    ] = "all",
    step_ps: Annotated[
        float | None,
        _transport_option(
            "Coarse-graining step in ps, rounded up to 1, 2, 4, 8... frames; default: chosen automatically."
        ),
    ] = None,
    confidence: Annotated[float, _transport_option("Confidence of the intervals of Onsager coefficients.")] = 0.95,
    export_labels: Annotated[
        bool,
        typer.Option(help="Write the phase of each atom to labels.extxyz in the output folder, for OVITO and ASE."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Output folder for analysis.json, analysis.html and figures.")] = Path(
        "analysis"
    ),
) -> None:
    """Analyse the interphase in a trajectory: thickness, growth, fluxes, transport, phases and passivation.

    A LAMMPS dump:  interphase analyse run.dump --time-step-fs 1 --elements Li,P,S --temperature-k 600
    --electrode Li --electrolyte Li7P3S11

    Transport alone, from VASP:  interphase analyse XDATCAR --frame-interval-fs 20 --temperature-k 900
    --charges Li=1,P=5,S=-2 --only transport

    A run of a campaign:  interphase analyse replica-0 --campaign demo

    Growth law and verdict of a series:  interphase analyse series_above.csv

    Parts of the analysis (--only):

    - boundaries: boundaries and thickness of the interphase

    - growth: growth law of the thickness

    - fluxes: fluxes of atoms through the boundaries

    - transport: Onsager coefficients by time and slab, conductivity, transference numbers

    - trapping: kinetic trapping of network formers such as P in LixP

    - verdict: growing, passivated, depleted or undecided

    - profiles: composition, density and coordination along the normal

    - phases: anions, phases of the atoms, reactions, bond networks

    - displacement: mean squared displacement of each element

    - electrode_order: bcc fraction of the electrode

    If the trajectory supports no result for a part, the reason is reported, and the other parts are analysed; the exit
    code is 3 if a part that --only names has no result. Time is counted from the first frame, at which the two sides
    are assumed to be in contact.
    """
    from interphase_flows.analysis.geometry.interface_normal import NORMALS
    from interphase_flows.analysis.io.species import elements_of_types
    from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
    from interphase_flows.analysis.transport.settings import DIRECTIONS, TransportSettings, charges_of, frame_of
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.commands.analysis_input import campaign_run_input, computed_references, file_input
    from interphase_flows.commands.series_input import analyse_series
    from interphase_flows.exceptions import InputError
    from interphase_flows.runtime.atomic_files import check_writable

    parts = [part.strip() for part in only.split(",")] if only else []
    if campaign is None and any(each.endswith(".csv") for each in trajectory):
        if len(trajectory) > 1:
            raise InputError(f"{len(trajectory)} files; give one series, as each has its own growth law and verdict")
        if rejected := _rejected_options(context, is_series=True):
            raise InputError(
                f"{rejected}: without effect on a series. Hint: leave out all options but --only and --out"
            )
        table = Path(trajectory[0])
        _finish(analyse_series(table, parts), out, table.name, trajectory, parts)
        return
    reference, at_rest = frame_of(frame)
    if window_ps is not None and not window_ps > 0:
        raise InputError(f"--window-ps {window_ps:g}: it must be a positive time")
    if (axes := directions.replace("-", "_")) not in DIRECTIONS:
        raise InputError(f"--directions {directions}: choose from all, in-plane, normal")
    transport = TransportSettings(
        window_ps,
        charges_of(charges) if charges is not None else None,
        reference,
        at_rest,
        directions=next(each for each in DIRECTIONS if each == axes),
        step_ps=step_ps,
        confidence=confidence,
    )
    if normal is not None and normal not in NORMALS:
        raise InputError(f"--normal {normal}: choose from {', '.join(NORMALS)}")
    if campaign is not None and (rejected := _rejected_options(context, is_series=False)):
        raise InputError(
            f"{rejected}: for trajectory files, not for --campaign. Hint: leave it out; sides, times and phases are "
            "those of the campaign"
        )
    if campaign is not None:
        if len(trajectory) > 1:
            raise InputError(f"{len(trajectory)} runs; with --campaign give one, such as replica-0")
        analysis_input = campaign_run_input(
            trajectory[0],
            campaign,
            settings_of(root),
            temperature_K=temperature_K,
            parts=parts,
            transport=transport,
        )
    else:
        analysis_input = file_input(
            [Path(each) for each in trajectory],
            electrode=electrode,
            electrolyte=electrolyte,
            temperature_K=temperature_K,
            parts=parts,
            transport=transport,
            time_step_fs=time_step_fs,
            frame_interval_fs=frame_interval_fs,
            elements=elements_of_types(elements) if elements else None,
            wrapped=wrapped,
            normal=next((each for each in NORMALS if each == normal), None),
            bulk_tolerance=bulk_tolerance,
        )
    with analysis_input as opened, shown_progress(PlainConsole(stderr=True)):
        print_notes(opened.notes)
        references = opened.references
        if phases is not None:
            if not (electrode and electrolyte and "phases" in opened.settings.parts):
                raise InputError("--phases needs --electrode, --electrolyte and the part phases")
            references = computed_references(
                phases.split(","),
                electrode=electrode,
                electrolyte=electrolyte,
                temperature_K=opened.settings.temperature_K,
                settings=settings_of(root),
                announce=lambda line: write_line(line, to_stderr=True),
            )
        if export_labels and (references is None or "phases" not in opened.settings.parts):
            raise InputError(
                "--export-labels needs the part phases with runs of known phases. Hint: add --phases Li2S,Li3P,LiP"
            )
        check_writable(out)  # the analysis may take hours
        labels_path = out / "labels.extxyz" if export_labels else None
        found = analyse_interface(opened.frames, opened.settings, references=references, labels_path=labels_path)
    _finish(found, out, opened.title, opened.about, parts)


def _finish(found: "InterfaceAnalysis", out: Path, title: str, about: Sequence[str], parts: Sequence[str]) -> None:
    """Write the page and print the summary; exit with `UNAVAILABLE` if one of the parts that were named has no result."""
    from interphase_flows.analysis.results import Unavailable
    from interphase_flows.report.sections.interface_analysis import write_analysis_page
    from interphase_flows.report.text.interface_analysis import analysis_summary

    page = write_analysis_page(found, out, title=title, about=about)
    for line in analysis_summary(found.parts):
        write_line(line)
    write_line(page)
    if any(isinstance(found.parts[part], Unavailable) for part in parts):
        raise typer.Exit(UNAVAILABLE)
