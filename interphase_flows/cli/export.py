"""`interphase export`: results in file formats of other programs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interphase_flows.cli.application import RESULTS_PANEL, Root, app, named, write_line

if TYPE_CHECKING:
    from interphase_flows.results import CampaignResults

export = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(
    export,
    name="export",
    rich_help_panel=RESULTS_PANEL,
    help="Write results to files that other programs read; `interphase export WHAT --help` describes each.",
)

Campaign = Annotated[str | None, typer.Option("--campaign", "-c", help="Name of the campaign.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Folder = Annotated[Path, typer.Argument(help="Folder of the files, created if missing.")]


@export.command()
def dataset(
    target: Annotated[Path, typer.Argument(help="extxyz file to write; the metadata are beside it as .json.")],
    energy_key: Annotated[str, typer.Option(help="Name of the energy (eV).")] = "energy",
    forces_key: Annotated[str, typer.Option(help="Name of the forces (eV/Å).")] = "forces",
    stress_key: Annotated[str, typer.Option(help="Name of the stress (eV/Å³, tension positive).")] = "stress",
    author: Annotated[list[str] | None, typer.Option(help="Full name of an author; repeat for each.")] = None,
    title: Annotated[str, typer.Option(help="Name of the dataset; default: that of the campaign.")] = "",
    description: Annotated[str, typer.Option(help="Description; default: that of the campaign file.")] = "",
    license: Annotated[str, typer.Option(help="License of the data, such as CC-BY-4.0.")] = "",
    link: Annotated[list[str] | None, typer.Option(help="Address of the publication or the data; repeat.")] = None,
    name: Campaign = None,
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
def models(target: Folder, name: Campaign = None, root: Root = None, force: Force = False) -> None:
    """Export the potentials of the newest committee, one file per member."""
    from interphase_flows.commands.export import export_models

    _write(lambda results: export_models(results, target, force), name, root)


@export.command()
def trajectories(target: Folder, name: Campaign = None, root: Root = None, force: Force = False) -> None:
    """Export the production runs as extxyz, one file per run, with unwrapped positions, cells and times in fs."""
    from interphase_flows.commands.export import export_trajectories

    _write(lambda results: export_trajectories(results, target, force), name, root)


def _write(export_to_files: "Callable[[CampaignResults], list[Path]]", name: str | None, root: Path | None) -> None:
    """Run an export of a campaign and print the paths of the written files."""
    from interphase_flows.results import CampaignResults

    settings, name = named(name, root)
    with CampaignResults(name, settings) as results:
        for path in export_to_files(results):
            write_line(path)
