"""The Typer application, and options that several commands share."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from interphase_flows import __version__
from interphase_flows.exceptions import InputError
from interphase_flows.printable import printable_lines

if TYPE_CHECKING:
    from interphase_flows.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Simulate and measure the interphase between an electrode and a solid electrolyte.\n\n"
    "To start:  interphase init   (writes a campaign file),   then   interphase run campaign.yaml",
)

PANELS = SETUP_PANEL, CAMPAIGN_PANEL, CLUSTER_PANEL, RESULTS_PANEL = (
    "Setup",
    "Campaigns on this machine",
    "Campaigns on a cluster",
    "Results",
)
"""Sections of `interphase --help`, in this order."""

Root = Annotated[
    Path | None,
    typer.Option("--root", help="Folder that contains all campaigns; default: root of the settings, else ./runs."),
]
AcceptChanges = Annotated[
    bool,
    typer.Option(
        "--accept-changes", help="Continue a campaign of this name that was started with other values of some keys."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that run independent jobs at the same time; default: n_workers of the settings, else one per "
        "core. Results do not depend on it.",
    ),
]
Every = Annotated[
    float | None,
    typer.Option(help="Repeat after this many seconds until no job is ready or running; default: run once (for cron)."),
]
CampaignOption = Annotated[
    str | None,
    typer.Option("--campaign", "-c", help="Name of the campaign; optional if there is only one."),
]
Name = Annotated[
    str | None,
    typer.Argument(help="Name of the campaign; optional if the root contains only one."),
]


def write_line(text: object, to_stderr: bool = False) -> None:
    """Print a text; characters that a terminal would obey are escaped, since documents and files may contain them."""
    print(printable_lines(text), file=sys.stderr if to_stderr else sys.stdout, flush=True)


class PlainConsole(Console):
    """A console that prints strings as they are: markup is not interpreted, control characters are escaped."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as rich text."""
        return super().render_str(printable_lines(text), **options)


def settings_of(root: Path | None, campaign_file: Path | None = None) -> "Settings":
    """Return the settings of this machine, with ``--root`` of the command line.

    A settings file in the current folder is reported: it may have come with the folder, and contains commands. One
    beside the campaign file that is not read is reported as well.
    """
    from interphase_flows.settings import FILE_IN_FOLDER, load_settings, settings_file

    if settings_file() == FILE_IN_FOLDER:
        _report_settings_file(FILE_IN_FOLDER.absolute())
    beside = campaign_file and campaign_file.parent / FILE_IN_FOLDER
    if beside and beside.is_file() and not _is_read(beside):
        read = settings_file() or "none"
        write_line(f"settings: {read}; not {beside}, which applies to commands in its folder", to_stderr=True)
    return load_settings(**({} if root is None else {"root": root}))


def _is_read(path: Path) -> bool:
    from interphase_flows.settings import settings_file

    read = settings_file()
    return read is not None and read.resolve() == path.resolve()


@cache
def _report_settings_file(path: Path) -> None:
    write_line(f"settings: {path}", to_stderr=True)


def named(name: str | None, root: Path | None, option: str | None = None) -> tuple["Settings", str]:
    """Return the settings and the name of the campaign: that of the argument or option, or the only one."""
    from interphase_flows.storage.campaign_choice import only_campaign

    if name is not None and option is not None and name != option:
        raise InputError(f"campaign {name} and --campaign {option}: two names are given. Hint: leave one out")
    settings = settings_of(root)
    return settings, name or option or only_campaign(settings)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
