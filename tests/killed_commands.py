"""Run the command line in processes that are killed: forked with loaded modules, or during their imports."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from interphase_flows import cli
from interphase_flows.exceptions import InterphaseError
from tiny_campaign import command, environment

IMPORTED = [
    "interphase_flows.flows.campaign",
    "interphase_flows.potentials.training",
    "interphase_flows.potentials.committee",
    "nequip.scripts.train",
    "chgnet.model.dynamics",
]
"""Modules that take ten seconds to import; processes forked with them are killed during their work."""


def live(arguments: list[str]) -> None:
    """Run the command in a new process group without output."""
    os.setsid()
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    os.environ.update(environment())
    sys.argv = ["interphase", *arguments]
    cli.main()


def resume(root: Path, output: Path) -> None:
    """Resume the tiny campaign in a new process, without its report; write messages and tracebacks to a file."""
    with output.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment())
    from interphase_flows.runners.campaign_records import stored_campaign
    from interphase_flows.runners.local.campaign import run_campaign
    from interphase_flows.settings import load_settings

    settings = load_settings(root=root)
    try:
        run_campaign(stored_campaign(settings, "tiny"), settings)
    except InterphaseError as error:
        sys.exit(f"interphase: {error}")  # exit code 1, as an exception that is not of the package has


class Cradle:
    """Python's fork server with imported modules."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(IMPORTED)
        first = self._context.Process(target=os.getpid)
        first.start()  # returns when the modules are imported
        first.join()

    def resume(self, root: Path, output: Path) -> str:
        """Resume the tiny campaign to its end or first error, and return what it printed."""
        process = self._context.Process(target=resume, args=(root, output))
        process.start()
        process.join()
        return output.read_text()

    def live_and_die(self, arguments: list[str], life_s: float) -> None:
        """Run the command, and kill (-9) its process group after a time unless it has ended."""
        process = self._context.Process(target=live, args=(arguments,))
        process.start()
        process.join(life_s)
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()  # in case it has no process group yet
            process.join()


def die_while_importing(arguments: list[str], life_s: float) -> None:
    """Run the command in a new interpreter, and kill (-9) its process group after a time."""
    process = subprocess.Popen(
        command(arguments),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(life_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
