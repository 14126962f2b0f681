"""The command that analyses a trajectory: of any program, or of a campaign."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interphase_flows.cli.application import Root, app, settings_of

OF_A_FILE = "A file"
OF_TRANSPORT = "Transport"


def _of_a_file(words: str, *names: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=words, rich_help_panel=OF_A_FILE)


def _of_transport(words: str) -> typer.models.OptionInfo:
    return typer.Option(help=words, rich_help_panel=OF_TRANSPORT)


@app.command()
def analyse(
    trajectory: Annotated[
        str,
        typer.Argument(
            help="LAMMPS dump, XDATCAR, extended XYZ, .traj, H5MD, .zarr.zip; with --campaign a run: replica-0."
        ),
    ],
    electrode: Annotated[str | None, _of_a_file("Formula, such as Li.")] = None,
    electrolyte: Annotated[str | None, _of_a_file("Formula, such as Li7P3S11.")] = None,
    temperature_K: Annotated[
        float | None, typer.Option("--temperature-k", "--temperature", help="Temperature of the run, K.")
    ] = None,
    time_step_fs: Annotated[
        float | None,
        _of_a_file(
            "Time of one step, fs, for formats that count steps (LAMMPS).", "--time-step-fs", "--timestep"
        ),
    ] = None,
    frame_interval_fs: Annotated[
        float | None,
        _of_a_file(
            "Time between frames, fs, for formats that list frames (XDATCAR, XYZ and .traj without times)."
        ),
    ] = None,
    elements: Annotated[
        str | None, _of_a_file("Elements of LAMMPS' types 1, 2, 3 in order, such as Li,P,S.")
    ] = None,
    phases: Annotated[
        str | None,
        _of_a_file(
            "Phases to compare atoms with, such as Li2S,Li3P,LiP, or NAME=FILE: run with CHGNet once, some minutes."
        ),
    ] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Analyse a run of it.")] = None,
    root: Root = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Some of boundaries,kinetics,fluxes,transport,trapping,verdict,profiles,phases; else all."
        ),
    ] = None,
    window_ps: Annotated[
        float | None, _of_transport("Length of windows of Onsager coefficients, ps; else chosen.")
    ] = None,
    charges: Annotated[
        str | None, _of_transport("Charges, such as Li=1,P=5,S=-2; else oxidation states of the electrolyte.")
    ] = None,
    frame: Annotated[
        str, _of_transport("At rest: barycentric, lattice (or lattice:P,S), or hittorf:S.")
    ] = "barycentric",
    out: Annotated[Path, typer.Option(help="Folder for analysis.json, analysis.html and figures.")] = Path(
        "analysis"
    ),
) -> None:
    """Measure the interphase in a trajectory: how thick, how fast, what crosses, what formed, whether it stops.

    A LAMMPS dump:  interphase analyse run.dump --time-step-fs 1 --elements Li,P,S --temperature-k 600
    --electrode Li --electrolyte Li7P3S11

    Transport alone, from VASP:  interphase analyse XDATCAR --frame-interval-fs 20 --temperature-k 900
    --electrode Li --electrolyte Li7P3S11 --only transport

    A run of a campaign:  interphase analyse replica-0 --campaign demo

    boundaries: where the interphase begins and ends. kinetics: by which law it thickens. fluxes: what crosses its
    boundaries. transport: Onsager coefficients of the cell, against time and by slab, conductivity, transference
    numbers. trapping: whether bonded centres such as P in LixP outlive diffusion. verdict: growing, passivated,
    depleted or undecided. profiles: composition, density and coordination along the normal, by block of time. phases:
    which anions and phases formed, where, and whether a network of bonds crosses them.

    A part that the trajectory cannot answer says why, and the others go on. The first frame is taken as the moment
    when the two sides touched.
    """
    from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
    from interphase_flows.analysis.transport.settings import TransportSettings, charges_of, frame_of
    from interphase_flows.cli.progress_display import shown_progress
    from interphase_flows.commands.phase_references import made_references
    from interphase_flows.commands.trajectory_settings import campaign_run, trajectory_file
    from interphase_flows.exceptions import InputError
    from interphase_flows.report.sections.interface_analysis import write_survey
    from interphase_flows.report.text.interface_analysis import words_of

    parts = [part.strip() for part in only.split(",")] if only else []
    reference, at_rest = frame_of(frame)
    transport = TransportSettings(
        window_ps, charges_of(charges) if charges is not None else None, reference, at_rest
    )
    if campaign is not None and phases is not None:
        raise InputError("a run of a campaign is compared with the campaign's own phases: leave out --phases")
    if campaign is not None:
        chosen = campaign_run(
            trajectory,
            campaign,
            settings_of(root),
            temperature_K=temperature_K,
            parts=parts,
            transport=transport,
        )
    else:
        chosen = trajectory_file(
            Path(trajectory),
            electrode=electrode,
            electrolyte=electrolyte,
            temperature_K=temperature_K,
            parts=parts,
            transport=transport,
            time_step_fs=time_step_fs,
            frame_interval_fs=frame_interval_fs,
            elements=dict(enumerate(elements.split(","), start=1)) if elements else None,
        )
    with chosen as opened, shown_progress(Console(stderr=True)):
        references = opened.references
        if phases is not None and electrode and electrolyte and "phases" in opened.question.parts:
            references = made_references(
                phases.split(","),
                electrode=electrode,
                electrolyte=electrolyte,
                temperature_K=opened.question.temperature_K,
                settings=settings_of(root),
            )
        found = analyse_interface(opened.frames, opened.question, references=references)
    page = write_survey(found, out, title=opened.title, about=opened.about)
    for line in words_of(found.values):
        print(line)
    print(page)
