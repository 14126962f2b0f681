"""Command line `interphase`: parse arguments, call one function of `commands` or `runners`, print.

May import every subpackage; none imports it.
"""

import sys

from interphase_flows.cli import analyse, campaigns, cluster, results, setup, status
from interphase_flows.cli.application import PANELS, app
from interphase_flows.exceptions import InterphaseError

__all__ = ["analyse", "app", "campaigns", "cluster", "main", "results", "setup", "status"]

EXIT_CODE_CTRL_C = 130

app.registered_commands.sort(key=lambda command: PANELS.index(command.rich_help_panel))


def main() -> None:
    """Run the command line; print an `InterphaseError` as one message on stderr and exit with code 2."""
    try:
        app()
    except InterphaseError as error:
        sys.stderr.write(f"interphase: {error}\n")
        sys.exit(2)
    except SystemExit as end:
        if end.code == EXIT_CODE_CTRL_C:  # Typer exits silently on a KeyboardInterrupt
            sys.stderr.write("interphase: stopped; no finished work is lost. Hint: interphase resume\n")
        raise
