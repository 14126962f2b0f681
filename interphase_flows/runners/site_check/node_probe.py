"""The trivial job of a check: what a node sees of the database, the folders, the GPUs, DFT and the time it has."""

import math
import os
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, FWAction, explicit_serialize
from pydantic import BaseModel, ConfigDict

from interphase_flows import __version__
from interphase_flows.exceptions import InterphaseError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.runners.site_check.probe_jobs import CAMPAIGN, FAILED_LINES, FROM_LOGIN
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import Settings, load_settings
from interphase_flows.storage.workspace import Workspace

VIEW = "view"
"""Where a launch keeps what its node saw."""

PROGRAM_ANSWERS_WITHIN_S = 120.0


class Seen(BaseModel):
    """One thing that was looked for, and words on it."""

    model_config = ConfigDict(frozen=True)

    is_there: bool
    told: str


class NodeView(BaseModel):
    """What a job saw from inside an allocation.

    Attributes
    ----------
    node, python, package_version
        Where it ran, and by what.
    results
        Whether the ledger answers.
    root
        Whether the folder of all campaigns is the one of the login node, and can be written.
    files
        Whether an artifact of the login node is found.
    remaining_s, told_by
        Seconds after which the job would put work down, and who says so; None if it knows no end.
    n_cores
        Cores it may use.
    failed_lines
        Lines of ``before`` that failed.
    device
        What potentials are evaluated on.
    gpus
        Those that torch sees; None if it was not asked.
    nvidia_smi
        What that program lists, in words.
    vasp, gpaw
        Whether they can be started; None if they were not looked for.
    """

    model_config = ConfigDict(frozen=True)

    node: str
    python: str
    package_version: str
    results: Seen
    root: Seen
    files: Seen
    remaining_s: float | None
    told_by: str
    n_cores: int
    failed_lines: str
    device: str
    torch_version: str | None = None
    gpus: tuple[str, ...] | None = None
    nvidia_smi: str = ""
    vasp: Seen | None = None
    gpaw: Seen | None = None


@explicit_serialize
class ProbeFiretask(FiretaskBase):
    """Look around on a node.

    Parameters are ``kind`` (of job), ``folder`` (below the login node's root, with a file in it), ``word`` (which the
    file holds), ``artifact``, and ``vasp`` with ``elements`` where a campaign needs VASP.
    """

    required_params = ("kind", "folder", "word", "artifact")
    optional_params = ("vasp", "elements")

    def run_task(self, fw_spec: Mapping[str, Any]) -> FWAction:
        """Return what is seen as data of the launch."""
        return FWAction(stored_data={VIEW: look_around(load_settings(), self).model_dump(mode="json")})


def look_around(settings: Settings, told: Mapping[str, Any]) -> NodeView:
    """Return what this process sees; ``told`` as the parameters of `ProbeFiretask`."""
    end = deadline(settings)
    kind = told["kind"]
    with closing(Workspace(settings, CAMPAIGN)) as workspace:
        results = _tried(lambda: f"{len(workspace.ledger.find('campaigns', properties=['key']))} campaigns")
        artifact = ArtifactRef.model_validate(told["artifact"])
        files = Seen(is_there=workspace.artifacts.contains(artifact), told=str(workspace.artifacts.root_url))
    optional: dict[str, Any] = {}
    if kind in ("train", "md") or settings.device == "cuda":
        optional |= _gpus()
    if kind == "dft":
        spec = told.get("vasp")
        optional["vasp"] = _vasp(settings, VaspSpec.model_validate(spec or {}), told.get("elements", ()))
        optional["gpaw"] = _gpaw(settings)
    return NodeView(
        node=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        python=platform.python_version(),
        package_version=__version__,
        results=results,
        root=_root(settings, Path(told["folder"]), told["word"], kind),
        files=files,
        remaining_s=end.remaining_s if math.isfinite(end.remaining_s) else None,
        told_by=end.set_by,
        n_cores=len(os.sched_getaffinity(0)),
        failed_lines=os.environ.get(FAILED_LINES, ""),
        device=settings.device,
        **optional,
    )


def _tried(look: Callable[[], str]) -> Seen:
    try:
        return Seen(is_there=True, told=look())
    except (InterphaseError, OSError) as error:
        return Seen(is_there=False, told=str(error))


def answer(word: str) -> str:
    """Return what the node writes back: nothing that a stale copy of the login node's file could hold."""
    return word[::-1]


def _root(settings: Settings, folder: Path, word: str, kind: str) -> Seen:
    if settings.root != folder.parent:
        return Seen(is_there=False, told=f"root is {settings.root} there, {folder.parent} here")
    try:
        if (folder / FROM_LOGIN).read_text(encoding="utf-8") != word:
            return Seen(is_there=False, told=f"{folder / FROM_LOGIN} is another file there")
        (folder / f"from-{kind}").write_text(answer(word), encoding="utf-8")
    except OSError as error:
        return Seen(is_there=False, told=f"{error.filename}: {error.strerror}")
    return Seen(is_there=True, told=str(settings.root))


def _gpus() -> dict[str, Any]:
    """Add two numbers on every GPU that torch lists: a driver too old for it is found by that alone."""
    import torch

    names = []
    for index in range(torch.cuda.device_count()):
        try:
            torch.ones(1, device=f"cuda:{index}").add(1).item()
        except RuntimeError:
            continue
        names.append(torch.cuda.get_device_name(index))
    return {"torch_version": str(torch.__version__), "gpus": tuple(names), "nvidia_smi": _nvidia_smi()}


def _nvidia_smi() -> str:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_ANSWERS_WITHIN_S,
        )
    except FileNotFoundError:
        return "there is no nvidia-smi"
    except subprocess.TimeoutExpired:
        return "nvidia-smi does not answer"
    return " ".join((done.stdout or done.stderr).split())


def _vasp(settings: Settings, spec: VaspSpec, elements: Sequence[str]) -> Seen:
    from interphase_flows.reference.vasp.method import VASPMethod

    method = VASPMethod(spec, settings)

    def look() -> str:
        command = shlex.join(method.command())
        if elements:
            method.check_potentials(elements)
        return f"`{command}`{' and its potentials' if elements else ''}; it was not run"

    return _tried(look)


def _gpaw(settings: Settings) -> Seen:
    """Start Python as a label would, and let it import GPAW."""
    command = shlex.split(settings.gpaw_command) if settings.gpaw_command else [sys.executable]
    told = shlex.join(command)
    try:
        done = subprocess.run(
            [*command, "-c", "import gpaw; print(gpaw.__version__)"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_ANSWERS_WITHIN_S,
        )
    except FileNotFoundError:
        return Seen(is_there=False, told=f"`{told}`: there is no program {command[0]!r}")
    except subprocess.TimeoutExpired:
        return Seen(
            is_there=False, told=f"`{told}` did not import GPAW within {PROGRAM_ANSWERS_WITHIN_S:.0f} s"
        )
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return Seen(is_there=False, told=f"`{told}`: {last}")
    return Seen(is_there=True, told=f"GPAW {done.stdout.split()[0]} by `{told}`")
