"""VASPMethod with a stand-in for VASP's executable."""

import shlex
import sys
from pathlib import Path

from interphase_flows.reference.vasp.method import VASPMethod
from interphase_flows.settings import Settings
from vasp_records import SILICON

COMMAND = f"{shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).with_name('vasp_stand_in.py')))}"

REPLAY = {"replay": "converged"}


def replayed_method(spec=SILICON, policy=None, **settings):
    """Return the method; the stand-in performs the acts in the environment."""
    kwargs = {} if policy is None else {"policy": policy}
    return VASPMethod(
        spec,
        Settings(vasp_command=COMMAND, **settings),
        poll_interval_s=0.02,
        reads_potentials=False,
        **kwargs,
    )


def n_runs(folder):
    """Return how often the stand-in was started in a folder."""
    return len((folder / "stand_in_runs").read_text().splitlines())


WORKER = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from pathlib import Path\n"
    "from vasp_records import read_record\n"
    "from vasp_replayed import replayed_method\n"
    "replayed_method().label(read_record('converged').atoms, Path(sys.argv[2]))"
)


def worker_command(folder):
    """Return the command of a process that labels the atoms of the record in a folder."""
    return [sys.executable, "-c", WORKER, str(Path(__file__).parent), str(folder)]
