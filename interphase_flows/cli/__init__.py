"""Command line `interphase`: parse arguments, call one function of `commands` or `runners`, print.

May import every room; no room imports it.
"""

import sys

from interphase_flows.cli import analyse, campaigns, cluster, control, results, setup, status
from interphase_flows.cli.application import app
from interphase_flows.exceptions import InterphaseError

__all__ = ["analyse", "app", "campaigns", "cluster", "control", "main", "results", "setup", "status"]

STOPPED_BY_CTRL_C = 130


def main() -> None:
    """Run the command line; what goes wrong on purpose is a sentence on stderr and exit code 2."""
    try:
        app()
    except InterphaseError as error:
        sys.stderr.write(f"interphase: {error}\n")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == STOPPED_BY_CTRL_C:  # what Typer makes of a KeyboardInterrupt, without a word
            sys.stderr.write("interphase: stopped; nothing is lost, go on with: interphase resume\n")
        raise
