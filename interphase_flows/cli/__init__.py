"""Command line `interphase`: parse arguments, call one function of `commands` or `runners`, print.

May import every subpackage; none imports it.
"""

import io
import sys

from interphase_flows.cli import analyse, campaigns, cluster, export, labels, live_view, results, setup, status
from interphase_flows.cli.application import PANELS, app
from interphase_flows.exceptions import InterphaseError
from interphase_flows.printable import printable_lines
from interphase_flows.runtime.atomic_files import describe_os_error

__all__ = [
    "analyse",
    "app",
    "campaigns",
    "cluster",
    "export",
    "labels",
    "live_view",
    "main",
    "results",
    "setup",
    "status",
]

EXIT_CODE_CTRL_C = 130

app.registered_commands.sort(key=lambda command: PANELS.index(command.rich_help_panel))


def main() -> None:
    """Run the command line; print an error of the package or of a file as one message on stderr, and exit with code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the encoding of the terminal lacks
    try:
        app()
    except BrokenPipeError:
        raise
    except (InterphaseError, OSError) as error:
        message = str(error) if isinstance(error, InterphaseError) else describe_os_error(error)
        sys.stderr.write(f"interphase: {printable_lines(message)}\n")
        sys.exit(2)
    except SystemExit as end:
        if end.code == EXIT_CODE_CTRL_C:  # Typer exits silently on a KeyboardInterrupt
            sys.stderr.write("interphase: stopped; no finished work is lost. Hint: interphase resume\n")
        raise
