"""The command in processes that are killed: forked with their modules, or while they still read them."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

from interphase_flows import cli
from tiny_campaign import command, environment

IMPORTED = [
    "interphase_flows.flows.campaign",
    "interphase_flows.potentials.training",
    "interphase_flows.potentials.committee",
    "nequip.scripts.train",
    "chgnet.model.dynamics",
]
"""What takes ten seconds to load: whoever is born with it is killed in the middle of work."""


def live(arguments: list[str]) -> None:
    """Be the command, in a process group of its own, without a word."""
    os.setsid()
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    os.environ.update(environment())
    sys.argv = ["interphase", *arguments]
    cli.main()


class Cradle:
    """Where processes are forked from that have their modules already; Python's own fork server."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(IMPORTED)
        first = self._context.Process(target=os.getpid)
        first.start()  # returns when the modules are there
        first.join()

    def live_and_die(self, arguments: list[str], life_s: float) -> None:
        """Run the command; kill -9 of its whole process group, unless it has ended by then."""
        process = self._context.Process(target=live, args=(arguments,))
        process.start()
        process.join(life_s)
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()  # killed before it had a group
            process.join()


def die_while_importing(arguments: list[str], life_s: float) -> None:
    """Run the command from its first instruction on."""
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
